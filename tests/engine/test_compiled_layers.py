"""Which decoders slots can drive, and what is said of the others."""

from pathlib import Path
from typing import Any

import pytest

from engine.models import TINY_LLAMA
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import EngineSpec, Reason

pytestmark = pytest.mark.model

SMALL = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}


def model_of(kind: str, **settings: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(kind, **(SMALL | settings))
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


def refusal_of(model: Any) -> EngineError:
    from serve_daemon.engine.compiled.layers import layers_of

    with pytest.raises(EngineError) as refused:
        layers_of(model)
    return refused.value


def test_layers_are_found_with_their_shapes() -> None:
    """Key heads and their size, in the order of the layers."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from serve_daemon.engine.compiled.layers import layers_of

    layers = layers_of(LlamaForCausalLM(LlamaConfig(**TINY_LLAMA)).eval())
    assert [(each.heads, each.size) for each in layers] == [(2, 16)] * 2
    assert [each.name for each in layers] == [f"model.model.layers.{n}.self_attn" for n in (0, 1)]


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        ("gpt_oss", {"num_local_experts": 4, "head_dim": 8}, "s_aux"),
        ("mamba", {}, "attention of its own"),
        ("bloom", {"n_layer": 2, "n_head": 4}, "attention of its own"),
    ],
)
def test_what_can_not_be_driven_is_refused_by_name(
    kind: str, settings: dict[str, Any], says: str
) -> None:
    """With what it lacks, and the engine to use instead."""
    refused = refusal_of(model_of(kind, **settings))
    assert refused.reason is Reason.CONFIG
    assert says in refused.message
    assert 'use engine = "continuous"' in refused.message


def test_layers_without_attention_are_counted() -> None:
    """A hybrid with something recurrent has no keys and values for some of them."""
    settings = {"layer_types": ["conv", "full_attention"], "num_key_value_heads": 2}
    refused = refusal_of(model_of("lfm2", **settings))
    assert "1 of its 2 layers are no attention layers" in refused.message


def test_the_kinds_named_in_the_manual_are_driven(tmp_path: Path) -> None:
    """Those that most people run."""
    from serve_daemon.engine.compiled.layers import layers_of

    kinds = ("llama", "qwen2", "qwen3", "mistral", "gemma3_text", "smollm3", "gemma2", "phi3")
    driven = {kind: len(layers_of(model_of(kind, pad_token_id=0))) for kind in kinds}
    assert driven == dict.fromkeys(kinds, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"attn_implementation": "sdpa"}, "use one of auto, slots"),
        ({"max_batch_tokens": 100_000}, "computes at most 8192 tokens a step"),
    ],
)
def test_what_the_engine_can_not_do_is_said_before_anything_is_loaded(
    changes: dict[str, Any], says: str
) -> None:
    """With the key that asks for it."""
    from serve_daemon.engine.compiled.engine import check

    with pytest.raises(EngineError, match=says) as refused:
        check(EngineSpec(model="m", source="nowhere", engine="compiled", **changes))
    assert refused.value.reason is Reason.CONFIG
    assert refused.value.message.startswith(next(iter(changes)))
