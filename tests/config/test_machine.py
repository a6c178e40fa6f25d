"""What this machine lacks for a model, told at check time at the key that asks for it."""

import json
from pathlib import Path

import pytest

from config.loading import loaded, problems_of
from serve_daemon.config.check import check
from serve_daemon.config.load import Sources
from serve_daemon.config.probe import Device, Probe

CPU = Device("cpu", "Some CPU", 8 << 30, ["float32", "bfloat16"])
GPU = Device("cuda:0", "Some GPU", 80 << 30, ["float32", "bfloat16", "float16"])
HQQ = "hqq>=0.2.1 (pip install 'hqq>=0.2.1' into the engine's Python environment)"
BNB = "bitsandbytes>=0.46.1 (pip install 'bitsandbytes>=0.46.1')"


def probe(*devices: Device) -> Probe:
    return Probe(
        versions={},
        devices=list(devices),
        attn_implementations=["sdpa", "eager", "flex_attention"],
        engines=["continuous", "compiled"],
        quantization=["bnb-8bit", "gptq", "vptq"],
        unavailable_attn_implementations={"ORG/NAME": "kernels (pip install 'kernels')"},
        unavailable_quantization={"hqq": HQQ, "bnb-4bit": BNB},
        gpu_quantization=["vptq"],
    )


def findings(text: str, known: Probe | None = None) -> list[tuple[str, str]]:
    found = check(loaded(text).config, known)
    return [(".".join(map(str, path)), message) for path, message in found]


def checkpoint(folder: Path, **quantization: object) -> Path:
    """A directory whose config.json tells of a quantization."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"quantization_config": quantization}))
    return folder


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            "profiles.p.quantization = 'bnb-4bit'\n[models.a]\nprofile = 'p'",
            ("profiles.p.quantization", f"weights quantized by bnb-4bit need {BNB}"),
        ),
        (
            "models.a.attn_implementation = 'kernels-community/flash-attn2@v1:f'",
            (
                "models.a.attn_implementation",
                (
                    '"kernels-community/flash-attn2@v1:f" does not work here for lack of kernels'
                    " (pip install 'kernels'), use one of sdpa, eager"
                ),
            ),
        ),
        (
            "models.a.use_async_batching = true",
            (
                "models.a.use_async_batching",
                "needs a GPU, and the model runs on the CPU, remove it",
            ),
        ),
        (
            "models.a.cpu_offload_space = '1GiB'",
            ("models.a.cpu_offload_space", "needs a GPU, and the model runs on the CPU, remove it"),
        ),
    ],
)
def test_what_a_key_needs_is_told_at_the_key(text: str, finding: tuple[str, str]) -> None:
    """With the command that installs it; without a probe it is for the engine to find."""
    assert findings(text, probe(CPU)) == [finding]
    assert findings(text) == []


def test_keys_and_values_in_8_bits_are_for_a_cpu() -> None:
    """Whatever device is taken of several, the engine then says."""
    text = "[models.a]\nengine = 'compiled'\nkv_cache_dtype = 'int8'\ndevice = '{}'"
    message = '"int8" is for a CPU, and the model runs on a GPU, remove it'
    on_gpu = findings(text.format("cuda"), probe(CPU, GPU))
    assert on_gpu == [("models.a.kv_cache_dtype", message)]
    assert findings(text.format("cpu"), probe(CPU, GPU)) == []


def test_blocks_of_a_gguf_file_are_kept_on_a_cpu() -> None:
    """On a GPU they are unpacked, and who leaves it open gets that."""
    text = "[models.a]\ngguf = '{}'\ndevice = '{}'"
    message = '"keep" is for a CPU, and the model runs on a GPU, remove it'
    assert findings(text.format("keep", "cuda"), probe(CPU, GPU)) == [("models.a.gguf", message)]
    assert findings(text.format("keep", "cpu"), probe(CPU, GPU)) == []
    assert findings(text.format("auto", "cuda"), probe(CPU, GPU)) == []


def test_a_gpu_that_a_model_does_not_use_is_none() -> None:
    """`device` decides, not what the machine has."""
    text = "[models.a]\ndevice = 'cpu'\nuse_cuda_graph = true\nattn_implementation = '{}'"
    keys = [key for key, _ in findings(text.format("flash_attention_2"), probe(CPU, GPU))]
    assert keys == ["models.a.use_cuda_graph", "models.a.attn_implementation"]
    assert findings(text.format("sdpa").replace("'cpu'", "'cuda'"), probe(CPU, GPU)) == []


def test_each_of_several_devices_is_checked() -> None:
    """Once, however often it is named; what isn't known is for the engine to find."""
    text = "[models.a]\nreplicas = 4\ndtype = 'float16'\ndevice = {}"
    able = "cpu computes in float32, bfloat16"
    refused = ("models.a.dtype", f'"float16" does not work here, use another: {able}')
    assert findings(text.format("['cuda:0', 'cpu', 'cpu']"), probe(CPU, GPU)) == [refused]
    assert findings(text.format("['cuda:0', 'cuda:1']"), probe(CPU, GPU)) == []


@pytest.mark.parametrize(
    ("method", "devices", "problem"),
    [
        ("hqq", [CPU, GPU], f"weights quantized by hqq need {HQQ}"),
        ("vptq", [CPU], "weights quantized by vptq need a GPU, choose one as device"),
        ("vptq", [CPU, GPU], ""),
        ("gptq", [CPU], ""),
        ("one that came later", [CPU], ""),
    ],
)
def test_what_a_checkpoint_needs_is_told_at_its_source(
    method: str, devices: list[Device], problem: str, tmp_path: Path
) -> None:
    """Where it lies in a directory of this machine, so that its config can be read."""
    folder = checkpoint(tmp_path / "m", quant_method=method)
    wanted = [("models.a.source", problem)] if problem else []
    assert findings(f"models.a.source = '{folder}'", probe(*devices)) == wanted


def test_weights_are_quantized_once(tmp_path: Path) -> None:
    """A GGUF file is unpacked first, so it may be; what Transformers keeps packed may not."""
    folder = checkpoint(tmp_path / "m", quant_method="gptq")
    text = "[models.a]\nquantization = 'bnb-8bit'\nsource = '{}'"
    [problem] = problems_of(Sources(text=text.format(folder)))
    assert problem.key == "models.a.quantization"
    assert problem.message == f"the weights of {folder} are quantized by gptq already, remove it"
    assert findings(text.format("Some/Model-GGUF:a.gguf")) == []
    old = checkpoint(tmp_path / "old", load_in_8bit=True)
    [problem] = problems_of(Sources(text=text.format(old)))
    assert "quantized by bitsandbytes already" in problem.message


@pytest.mark.parametrize("content", ["", "[]", '{"quantization_config": 4}', "\x00"])
def test_a_config_that_says_nothing_is_for_the_engine(content: str, tmp_path: Path) -> None:
    """What is wrong with it is told where it is loaded."""
    (tmp_path / "config.json").write_text(content)
    assert findings(f"models.a.source = '{tmp_path}'", probe(CPU)) == []


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("attn_implementation = 'flex_attention'", "attn_implementation", "engine 'continuous'"),
        ("attn_implementation = 'org/some-kernel'", "attn_implementation", "engine 'continuous'"),
        ("engine = 'compiled'\ndefault_compile_level = 1", "default_compile_level", "no effect"),
        ("engine = 'compiled'\nuse_cuda_graph = false", "use_cuda_graph", "no effect"),
        ("engine = 'embedding'\nkv_cache_memory = '1GiB'", "kv_cache_memory", "no effect"),
        ("engine = 'embedding'\nallow_block_sharing = false", "allow_block_sharing", "no effect"),
        ("engine = 'embedding'\nattn_implementation = 'slots'", "attn_implementation", "sdpa"),
    ],
)
def test_a_key_that_the_engine_has_no_use_for_is_refused(text: str, key: str, told: str) -> None:
    """It would be ignored otherwise."""
    [problem] = problems_of(Sources(text=f"[models.a]\n{text}"))
    assert problem.key == f"models.a.{key}"
    assert told in problem.message
