"""Weights in few bits: each method with a tiny checkpoint, through the loader and the engine."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from engine.client import EngineProcess, Gateway
from engine.models import write_config, write_gguf, write_safetensors
from engine.quantized import (
    write_bitsandbytes,
    write_compressed_tensors,
    write_config_of,
    write_fp8,
    write_torchao,
)
from engine.reference import first_difference, generate, is_near_tie
from serve_daemon.engine import quantization
from serve_daemon.engine.engines import GENERATING
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import EngineReady, EngineSpec, Reason

pytestmark = pytest.mark.model

PROMPTS = ([1, 5, 9], [7] * 40)
LENGTH = 12
SPEC = EngineSpec(model="tiny", source="", max_requests=4, kv_cache_memory=4 * 2**20)
PLAIN_BYTES = 449856  # of `write_safetensors`
PACKED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "bitsandbytes 4": (lambda folder: write_bitsandbytes(folder, 4), "bitsandbytes"),
    "bitsandbytes 8": (lambda folder: write_bitsandbytes(folder, 8), "bitsandbytes"),
    "fp8": (write_fp8, "accelerate"),
    "compressed-tensors": (write_compressed_tensors, "compressed_tensors"),
    "torchao": (write_torchao, "torchao"),
}


async def answers(spec: EngineSpec, cache: Path) -> tuple[EngineReady, list[list[int]]]:
    """What an engine says of itself, and the greedy tokens after each prompt, all at once."""
    with EngineProcess(spec, cache) as engine:
        ready = engine.ready()
        async with await Gateway.connect(engine.socket_path) as gateway:
            streams = [gateway.submit(prompt, LENGTH) for prompt in PROMPTS]
            return ready, [(await stream.done()).tokens for stream in streams]


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        *((name, "continuous") for name in PACKED),
        ("bitsandbytes 4", "compiled"),
        ("bitsandbytes 8", "compiled"),
    ],
)
async def test_a_quantized_checkpoint_needs_nothing_but_its_source(
    name: str, engine: str, tmp_path: Path
) -> None:
    """It says what Transformers' own generate() says with the same weights.

    LLM.int8 computes columns with outliers apart, and whose they are depends on who shares the
    step, or engine "compiled" on the row: there the beginning is enough.
    """
    write, package = PACKED[name]
    exact = 6 if name == "bitsandbytes 8" else LENGTH
    pytest.importorskip(package)
    folder = write(tmp_path / "m")
    spec = msgspec.structs.replace(SPEC, source=str(folder), engine=engine)
    _, got = await answers(spec, tmp_path / "cache")
    for prompt, tokens in zip(PROMPTS, got, strict=True):
        wanted = generate(folder, prompt, LENGTH)
        place = first_difference(wanted, tokens)
        assert place is None or place >= exact or is_near_tie(wanted, place)


@pytest.mark.parametrize("engine", GENERATING)
@pytest.mark.parametrize(
    ("bits", "most_bytes"), [("bnb-8bit", 0.55 * PLAIN_BYTES), ("bnb-4bit", 0.48 * PLAIN_BYTES)]
)
async def test_plain_weights_are_quantized(
    bits: str, most_bytes: float, engine: str, tmp_path: Path
) -> None:
    """They take what the method promises; embeddings and the head stay as they are.

    Four bits have a scale for 64 numbers, in bfloat16 on a CPU that multiplies those, else float32.
    """
    folder = write_safetensors(tmp_path / "m")
    spec = msgspec.structs.replace(SPEC, source=str(folder), quantization=bits, engine=engine)
    ready, got = await answers(spec, tmp_path / "cache")
    assert 0.4 * PLAIN_BYTES < ready.weights_bytes < most_bytes
    assert [len(tokens) for tokens in got] == [LENGTH] * 2


@pytest.mark.parametrize("bits", ["bnb-8bit", "bnb-4bit"])
@pytest.mark.parametrize("kind", ["gguf", "dummy"])
async def test_other_plain_weights_are_quantized(bits: str, kind: str, tmp_path: Path) -> None:
    """A GGUF file's, once it is unpacked, and the random ones of a benchmark."""
    changes = {"source": str(write_gguf(tmp_path / "m.gguf")), "dtype": "float32"}
    if kind == "dummy":
        changes = {"source": str(write_config(tmp_path / "m")), "load_format": "dummy"}
    spec = msgspec.structs.replace(SPEC, quantization=bits, **changes)
    plain = {"gguf": 301952, "dummy": PLAIN_BYTES}[kind]
    ready, got = await answers(spec, tmp_path / "cache")
    assert ready.weights_bytes < 0.8 * plain
    assert [len(tokens) for tokens in got] == [LENGTH] * 2


# ---------------------------------------------------------------- what is refused, before it loads


@pytest.mark.parametrize("method", sorted(set(quantization.METHODS) - {"gguf"}))
def test_what_a_method_lacks_is_named(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every package of it, and the command that installs them."""
    monkeypatch.setattr("serve_daemon.engine.requirements.is_installed", lambda _package: False)
    folder = write_config_of(method, tmp_path / "m")
    with pytest.raises(EngineError) as raised:
        quantization.check(msgspec.structs.replace(SPEC, source=str(folder)), folder)
    assert raised.value.reason is Reason.CONFIG
    assert raised.value.message.startswith(f"weights quantized by {method} need ")
    for package in quantization.METHODS[method].requirements:
        assert f"'{package}'" in raised.value.message
    assert "(pip install '" in raised.value.message


def test_an_installed_package_is_not_asked_for() -> None:
    """Only what is missing is named, and one that is too old is."""
    from serve_daemon.engine.requirements import missing

    assert missing(["torch>=2.11", "msgspec"]) == ""
    assert missing(["torch>=99", "msgspec"]).startswith("torch>=99 (pip install 'torch>=99' into")


@pytest.mark.parametrize(
    ("method", "capabilities", "lack"),
    [
        ("vptq", [], "an NVIDIA GPU"),
        ("vptq", [(7, 0)], ""),
        ("fbgemm_fp8", [(8, 6)], "an NVIDIA GPU with compute capability 9.0 or higher"),
        ("fbgemm_fp8", [(8, 6), (9, 0)], ""),
        ("gptq", [], ""),
        ("", [], ""),
    ],
)
def test_the_device_that_a_method_needs(
    method: str, capabilities: list[tuple[int, int]], lack: str
) -> None:
    """One that is good enough is enough."""
    assert quantization.missing_device(method, capabilities) == lack


def refuse_quantized(folder: Path) -> tuple[EngineSpec, str]:
    spec = msgspec.structs.replace(SPEC, source=str(folder), quantization="bnb-4bit")
    return spec, "the checkpoint is quantized by gptq already"


def refuse_dummy(folder: Path) -> tuple[EngineSpec, str]:
    spec = msgspec.structs.replace(SPEC, source=str(folder), load_format="dummy")
    return spec, "load_format 'dummy' makes plain weights"


@pytest.mark.parametrize("case", [refuse_quantized, refuse_dummy])
def test_what_contradicts_itself_is_refused(
    case: Callable[[Path], tuple[EngineSpec, str]], tmp_path: Path
) -> None:
    """By name, and with what to do."""
    folder = write_config_of("gptq", tmp_path / "m")
    spec, told = case(folder)
    with pytest.raises(EngineError, match=told):
        quantization.check(spec, folder)


def test_weights_that_transformers_would_make_up_are_refused(tmp_path: Path) -> None:
    """A checkpoint of a method that it doesn't read looks as if it had no weights."""
    from serve_daemon.engine.weights import from_checkpoint

    folder = write_safetensors(tmp_path / "m")
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "mlp" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineError, match=r"lacks 6 of .*model\.layers\.0\.mlp\.down_proj\.weight"):
        from_checkpoint(msgspec.structs.replace(SPEC, source=str(folder)), folder, "cpu")
