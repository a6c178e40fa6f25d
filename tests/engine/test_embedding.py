"""Engine embedding with the real all-MiniLM-L6-v2, beside Transformers and a pooling by hand."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.client import MINILM, SMOLLM2, EngineProcess, Gateway, Stream
from serve_daemon.config import probe
from serve_daemon.config.estimate import estimate
from serve_daemon.config.located import located
from serve_daemon.config.tuning import Model
from serve_daemon.engine import loader
from serve_daemon.engine.embedding.encoder import Encoder
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import EngineSpec, Finish, Kind, Reason

pytestmark = pytest.mark.model

SPEC = EngineSpec(model="minilm", source=MINILM, engine="embedding")
SENTENCES = [
    "A man is eating food.",
    "Somebody eats.",
    "The stock market fell by three percent on Tuesday, its worst day of the year so far. " * 9,
    "x",
    *(f"This is sentence number {number}, which says {number * number}." for number in range(40)),
]
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def minilm(model_cache: Path) -> Iterator[EngineProcess]:
    with EngineProcess(SPEC, model_cache) as process:
        process.ready()
        yield process


@pytest.fixture
async def gateway(minilm: EngineProcess) -> AsyncIterator[Gateway]:
    async with await Gateway.connect(minilm.socket_path) as connected:
        yield connected


@pytest.fixture(scope="module")
def tokens() -> list[list[int]]:
    """Of SENTENCES, by the model's own tokenizer, [CLS] and [SEP] included."""
    from tokenizers import Tokenizer

    folder = located(MINILM)
    assert folder is not None
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return [each.ids for each in tokenizer.encode_batch(SENTENCES)]


@pytest.fixture(scope="module")
def expected(tokens: list[list[int]]) -> Any:
    """Each text alone through Transformers; the mean of its tokens, at length 1."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(located(MINILM), dtype=torch.float32).eval()
    rows = []
    with torch.inference_mode():
        for text in tokens:
            states = model(input_ids=torch.tensor([text])).last_hidden_state[0]
            mean = states.mean(0)
            rows.append(mean / mean.norm())
    return torch.stack(rows).numpy()


def vectors_of(stream: Stream) -> Any:
    """One row for each text."""
    import numpy as np

    [output] = stream.outputs
    assert (output.tokens, output.finish) == ([], Finish.STOP)
    return np.frombuffer(output.vectors, "<f4").reshape(-1, 384)


def test_it_says_what_it_is(minilm: EngineProcess) -> None:
    """Its vectors' dimensions, and as long a text as its makers had it take."""
    ready = minilm.ready()
    assert (ready.kind, ready.dimensions) == (Kind.EMBEDDING, 384)
    assert (ready.max_context, ready.vocabulary, ready.dtype) == (256, 30522, "float32")
    assert (ready.attn_implementation, ready.kv_cache_bytes) == ("sdpa", 0)
    assert (Path(ready.artefacts) / "tokenizer.json").is_file()


async def test_vectors_are_those_of_transformers(
    gateway: Gateway, tokens: list[list[int]], expected: Any
) -> None:
    """Whether texts come at once, one by one, or from several requests that share steps."""
    together = vectors_of(await gateway.embed(tokens).done())
    assert abs(together - expected).max() < TOLERANCE
    alone = [vectors_of(await gateway.embed([text]).done()) for text in tokens[:5]]
    mixed = [gateway.embed([text]) for text in tokens]
    for place, vector in enumerate(alone):
        assert abs(vector - expected[place]).max() < TOLERANCE
    for place, stream in enumerate(mixed):
        assert abs(vectors_of(await stream.done()) - expected[place]).max() < TOLERANCE


async def test_what_is_cancelled_is_not_answered(
    minilm: EngineProcess, gateway: Gateway, tokens: list[list[int]]
) -> None:
    """Others are, and then nothing is left."""
    cancelled = gateway.embed(tokens * 40)
    gateway.cancel(cancelled)
    assert vectors_of(await gateway.embed(tokens[:1]).done()).shape == (1, 384)
    assert not cancelled.outputs
    beat = await asyncio.to_thread(minilm.next_heartbeat, lambda beat: beat.idle_seconds > 0)
    assert beat.running == beat.waiting == 0
    assert beat.steps > 0


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ([[101] * 257], "a text has 257 tokens; the model's context is 256"),
        ([[101], []], "a text has no tokens"),
        ([], "a text has no tokens"),
        ([[30522]], "outside of the vocabulary of 30522"),
        ([[-1]], "outside of the vocabulary of 30522"),
    ],
)
async def test_what_can_not_be_computed_is_refused(
    gateway: Gateway, texts: list[list[int]], why: str
) -> None:
    """With the reason; nothing is cut in silence."""
    [output] = (await gateway.embed(texts).done()).outputs
    assert output.finish is Finish.REFUSED
    assert why in output.error


async def test_it_generates_nothing(gateway: Gateway) -> None:
    """Whoever asks for tokens is told."""
    [output] = (await gateway.submit([101, 102], 5).done()).outputs
    assert output.finish is Finish.REFUSED
    assert output.error == "the engine takes no Submit"


@pytest.mark.parametrize(
    ("engine", "source", "told"),
    [
        ("continuous", MINILM, 'set engine = "embedding"'),
        ("compiled", MINILM, 'set engine = "embedding"'),
        ("embedding", SMOLLM2, "is a .gguf file"),
    ],
)
def test_an_engine_of_the_wrong_kind_says_so(engine: str, source: str, told: str) -> None:
    """Before anything is loaded."""
    spec = msgspec.structs.replace(SPEC, engine=engine, source=source)
    checkpoint = loader.locate(spec, lambda *_told: None)
    with pytest.raises(EngineError, match=told) as refused:
        loader.check_kind(spec, checkpoint)
    assert refused.value.reason is Reason.CONFIG


def encoder_of(model: Any, folder: Path, pooling: str) -> Encoder:
    """What engine embedding computes with, of a checkpoint of `model`."""
    model.save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"a.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_bytes(msgspec.json.encode(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(f'{{"pooling_mode": "{pooling}"}}')
    spec = EngineSpec(model="m", source=str(folder), engine="embedding", device="cpu")
    return Encoder(loader.load(spec, folder, folder / "cache", lambda *_told: None))


TEXTS = [[5, 6, 7, 8, 9, 10], [11, 12], [13]]
TINY = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}


def test_a_decoder_gives_its_last_token(tmp_path: Path) -> None:
    """What pads a shorter text is behind it, where its last token sees nothing of it."""
    import torch
    from transformers import Qwen3Config, Qwen3Model

    torch.manual_seed(0)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    model = Qwen3Model(Qwen3Config(**TINY, **heads, max_position_embeddings=128)).eval()
    encoder = encoder_of(model, tmp_path, "lasttoken")
    with torch.inference_mode():
        last = [model(torch.tensor([text])).last_hidden_state[0, -1] for text in TEXTS]
    wanted = torch.stack([each / each.norm() for each in last])
    assert (encoder.vectors(TEXTS) - wanted).abs().max() < TOLERANCE


def test_of_an_encoder_with_a_decoder_only_the_encoder_computes(tmp_path: Path) -> None:
    """A text is all that it is given."""
    import torch
    from transformers import T5Config, T5Model

    torch.manual_seed(0)
    model = T5Model(T5Config(vocab_size=64, d_model=32, d_ff=64, d_kv=8, num_layers=2, num_heads=4))
    encoder = encoder_of(model.eval(), tmp_path, "mean")
    with torch.inference_mode():
        states = [model.encoder(torch.tensor([text])).last_hidden_state[0] for text in TEXTS]
    wanted = torch.stack([each.mean(0) / each.mean(0).norm() for each in states])
    assert (encoder.vectors(TEXTS) - wanted).abs().max() < TOLERANCE


async def test_an_estimate_is_near_the_peak(minilm: EngineProcess, gateway: Gateway) -> None:
    """Once there were steps of many shapes."""
    machine = probe.cached(str(minilm.cache), "")
    assert machine is not None
    expected = estimate(Model.model_validate({"source": MINILM, "engine": "embedding"}), machine)
    assert expected is not None
    for length in range(8, 128, 3):
        rows = [[100 + (7 * place + length) % 30_000 for place in range(length)]] * (512 // length)
        await gateway.embed(rows).done()
    peak = (await asyncio.to_thread(minilm.next_heartbeat, lambda _beat: True)).peak_bytes
    off = expected.total / peak - 1
    assert abs(off) <= 0.15, f"{expected.total >> 20} MiB, peak {peak >> 20}, {off:+.1%}"
