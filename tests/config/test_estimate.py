"""What an estimate is made of, and when there is none. tests/engine measures real engines."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from config.checkpoints import write_checkpoint, write_gguf
from serve_daemon.config.dtypes import this_cpu_flags, this_cpu_has_bf16
from serve_daemon.config.estimate import Estimate, estimate
from serve_daemon.config.kept_gguf import is_fast
from serve_daemon.config.probe import Device, Probe
from serve_daemon.config.tuning import Model

GIB = 2**30
PROBE = Probe(
    versions={},
    devices=[Device("cpu", "Some CPU", 8 * GIB, ["float32"])],
    attn_implementations=[],
    engines=["continuous", "compiled"],
    quantization=[],
    program_bytes={
        "continuous": 1000,
        "compiled": 2000,
        "embedding": 500,
        "bitsandbytes": 50,
        "cuda": 300,
    },
)
GPU = Device("cuda:0", "Some GPU", 16 * GIB, ["bfloat16"])
TOKEN_BYTES = 2 * 2 * 2 * 16 * 4  # keys and values, layers, heads, size, float32


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "m")


def of(source: Path, machine: Probe = PROBE, **keys: object) -> Estimate:
    values = {"max_requests": 4, "max_context": 512, "dtype": "float32"} | keys
    found = estimate(Model.model_validate({"source": str(source), **values}), machine)
    assert found is not None
    return found


def test_the_parts(checkpoint: Path) -> None:
    """Program, weights, keys and values; the total is all of them."""
    found = of(checkpoint)
    assert found.program == 1000
    assert found.weights == 4 * (2 * 300 * 64 + 64 * 64 + 64)
    assert found.kv_cache == 4 * 512 * TOKEN_BYTES
    parts = found.program + found.weights + found.kv_cache + found.workspace
    assert found.total == parts > found.workspace > 0


def test_each_engine_has_its_program(checkpoint: Path) -> None:
    """And bitsandbytes is only there where it is used."""
    assert of(checkpoint, engine="compiled").program == 2000
    assert of(checkpoint, quantization="bnb-4bit").program == 1050


def test_vectors_take_no_cache(tmp_path: Path) -> None:
    """A step has the texts that it has tokens for; one of the whole context may be more."""
    folder = write_checkpoint(tmp_path / "m", model_type="bert", dtype=None)
    keys: dict[str, Any] = {"engine": "embedding", "dtype": "auto", "max_context": 0}
    found = of(folder, **keys)
    assert (found.program, found.kv_cache) == (500, 0)
    assert found.weights == 2 * (2 * 300 * 64 + 64 * 64 + 64) * bytes_over_bfloat16()
    assert of(folder, **keys, max_requests=64) == found
    assert of(folder, **keys, max_batch_tokens=4096).workspace > found.workspace
    assert of(folder, **keys, max_batch_tokens=8) == of(folder, **keys, max_batch_tokens=1024)
    assert of(folder, **keys, attn_implementation="eager").workspace > found.workspace


def bytes_over_bfloat16() -> int:
    """How many times larger a value is than in bfloat16, in which the weights are stored."""
    return 1 if this_cpu_has_bf16() else 2


def test_what_a_model_asks_for_makes_it_larger(checkpoint: Path) -> None:
    """Each key that a refusal may advise to lower."""
    base = of(checkpoint)
    assert of(checkpoint, max_requests=8).kv_cache == 2 * base.kv_cache
    assert of(checkpoint, max_context=1024).kv_cache == 2 * base.kv_cache
    assert of(checkpoint, dtype="bfloat16").kv_cache == base.kv_cache // 2
    assert of(checkpoint, quantization="bnb-8bit").weights < base.weights
    assert of(checkpoint, max_requests=64).workspace > base.workspace
    assert of(checkpoint, max_batch_tokens=4096).workspace > base.workspace


def test_memory_for_keys_and_values_is_taken_as_asked(checkpoint: Path) -> None:
    """Continuous batching fills it with what may come again; slots take no more than they can."""
    assert of(checkpoint, kv_cache_memory=GIB).kv_cache == GIB
    slots = of(checkpoint, engine="compiled", kv_cache_memory=GIB)
    assert slots.kv_cache == 4 * 512 * TOKEN_BYTES
    in_8_bits = of(checkpoint, engine="compiled", kv_cache_dtype="int8").kv_cache
    assert slots.kv_cache / 4 < in_8_bits < slots.kv_cache / 2


def test_a_context_that_is_left_open_fits_the_machine(tmp_path: Path) -> None:
    """Of a million positions, as many as a part of the memory holds."""
    long = write_checkpoint(tmp_path / "long", max_position_embeddings=2**20)
    found = of(long, engine="compiled", max_context=0, max_requests=1000)
    assert 0 < found.kv_cache <= 4 * GIB


def test_a_gpu_has_another_program(checkpoint: Path) -> None:
    """What the driver takes; "auto" is the GPU where there is one."""
    machine = msgspec.structs.replace(PROBE, devices=[*PROBE.devices, GPU])
    assert of(checkpoint, machine).program == 300
    assert of(checkpoint, machine, device="cuda:0") == of(checkpoint, machine)
    assert of(checkpoint, machine, device="cpu") == of(checkpoint)


def test_a_gguf_file_is_kept_or_unpacked(tmp_path: Path) -> None:
    """It takes as much as its blocks, or as the same weights in plain."""
    metadata = {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.embedding_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.context_length": 1024,
    }
    shapes = {"token_embd.weight": (300, 64), "blk.0.ffn_up.weight": (128, 64)}
    file = write_gguf(tmp_path / "a.gguf", metadata, shapes)
    unpacked = of(file, gguf="dequantize")
    assert unpacked.weights == 4 * (300 * 64 + 128 * 64)
    assert unpacked.kv_cache == 4 * 512 * TOKEN_BYTES
    assert of(file, quantization="bnb-8bit").weights < unpacked.weights
    kept = of(file, gguf="keep").weights
    assert kept == (320 * 64 + 128 * 64) // 32 * 18  # in whole panels of 32 rows
    assert of(file).weights == (kept if is_fast(this_cpu_flags()) else unpacked.weights)


def test_dummy_weights_need_no_file(tmp_path: Path) -> None:
    """As many as the config asks for."""
    folder = write_checkpoint(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    layer = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64
    assert of(folder, load_format="dummy").weights == 4 * (2 * layer + 2 * 300 * 64)


def test_nothing_is_known_yet(checkpoint: Path, tmp_path: Path) -> None:
    """What isn't here, what isn't understood, and a machine on which no engine was measured."""
    assert estimate(Model(source=str(tmp_path / "gone")), PROBE) is None
    assert estimate(Model(source="org/never-downloaded"), PROBE) is None
    unmeasured = Probe({}, PROBE.devices, [], [], [])
    assert estimate(Model(source=str(checkpoint)), unmeasured) is None
    (checkpoint / "config.json").write_text("{}")
    assert estimate(Model(source=str(checkpoint)), PROBE) is None
