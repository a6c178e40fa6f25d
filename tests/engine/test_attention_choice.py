"""Models and attentions that take Transformers' own way through a batch."""

from pathlib import Path
from typing import Any

import pytest

from engine.client import EngineProcess, Gateway
from engine.models import write_config
from serve_daemon.wire.messages import EngineSpec
from serve_daemon.wire.sampling import Sampling

pytestmark = pytest.mark.model

SLIDING = {
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "sliding_window": 32,
    "layer_types": ["sliding_attention", "full_attention"],
    "query_pre_attn_scalar": 16,
}


@pytest.mark.parametrize(
    ("attention", "changes"),
    [
        pytest.param("eager", {}, id="eager"),
        pytest.param("auto", SLIDING, id="sliding window", marks=pytest.mark.long),
    ],
)
async def test_it_serves_several_at_once(
    attention: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    """Each gets in company what it gets alone."""
    folder = write_config(tmp_path / "m", **changes)
    spec = EngineSpec(
        model="tiny",
        source=str(folder),
        load_format="dummy",
        attn_implementation=attention,
        kv_cache_memory=4 * 2**20,
    )
    with EngineProcess(spec, tmp_path / "cache") as engine:
        wanted = "sdpa" if attention == "auto" else attention
        assert engine.ready().attn_implementation == wanted
        async with await Gateway.connect(engine.socket_path) as gateway:
            prompts = [[number] * (5 + 13 * number) for number in range(1, 5)]
            sampling = [Sampling(temperature=float(n % 2), seed=n) for n in range(4)]
            pairs = list(zip(prompts, sampling, strict=True))
            alone = [(await gateway.submit(p, 40, s).done()).tokens for p, s in pairs]
            together = [gateway.submit(p, 40, s) for p, s in pairs]
            assert [(await stream.done()).tokens for stream in together] == alone
