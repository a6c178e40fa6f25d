"""The rules that this machine sets: whether what a model asks for works here, by the probe."""

from collections.abc import Iterator

from serve_daemon.config.attention import HUB_KERNEL, is_hub_kernel, needs_gpu, problem_of
from serve_daemon.config.batching import GPU_KEYS
from serve_daemon.config.checkpoint import quantization_of
from serve_daemon.config.kept_gguf import KEEP, ON_A_GPU
from serve_daemon.config.probe import Device, Probe
from serve_daemon.config.tuning import Model

Broken = tuple[tuple[str, ...], str]  # keys, the first that is set is to blame, and what is wrong


def check_machine(model: Model, probe: Probe) -> Iterator[Broken]:
    """Every rule that `model`, all of whose keys are filled in, breaks on this machine."""
    for name in dict.fromkeys(model.devices):
        if devices := known_as(name, probe):  # what isn't known is for the engine to find
            yield from _on_devices(model, devices, probe)
    if model.engine not in probe.engines:
        message = f'"{model.engine}" does not work here, use one of {", ".join(probe.engines)}'
        yield ("engine",), message
    yield from _attention(model, probe)
    for key, method in _methods(model):
        if lack := probe.unavailable_quantization.get(method):
            yield (key,), f"weights quantized by {method} need {lack}"


def known_as(name: str, probe: Probe) -> list[Device]:
    """The devices that may be meant by a value of the key."""
    return [
        each for each in probe.devices if name in {"auto", each.name} or each.name == f"{name}:0"
    ]


def _on_devices(model: Model, devices: list[Device], probe: Probe) -> Iterator[Broken]:
    if model.dtype != "auto" and not any(model.dtype in each.dtypes for each in devices):
        able = "; ".join(f"{each.name} computes in {', '.join(each.dtypes)}" for each in devices)
        yield ("dtype", "device"), f'"{model.dtype}" does not work here, use another: {able}'
    if all(device.name != "cpu" for device in devices) and model.kv_cache_dtype != "auto":
        message = f'"{model.kv_cache_dtype}" is for a CPU, and the model runs on a GPU, remove it'
        yield ("kv_cache_dtype", "device"), message
    if all(device.name != "cpu" for device in devices) and model.gguf == KEEP:
        yield ("gguf", "device"), ON_A_GPU
    yield from _on_a_cpu(model, devices, probe)


def _on_a_cpu(model: Model, devices: list[Device], probe: Probe) -> Iterator[Broken]:
    """What needs a GPU, where `devices` are none."""
    if any(device.name != "cpu" for device in devices):
        return
    for key in GPU_KEYS:
        if getattr(model, key) not in {"auto", False}:
            yield (key,), "needs a GPU, and the model runs on the CPU, remove it"
    if needs_gpu(model.attn_implementation) and len(probe.devices) > 1:
        message = f'"{model.attn_implementation}" needs a GPU, and the model runs on the CPU'
        yield ("attn_implementation", "device"), message
    for key, method in _methods(model):
        if method in probe.gpu_quantization:
            yield (key, "device"), f"weights quantized by {method} need a GPU, choose one as device"


def _attention(model: Model, probe: Probe) -> Iterator[Broken]:
    name = model.attn_implementation
    lack = probe.unavailable_attn_implementations.get(HUB_KERNEL if is_hub_kernel(name) else name)
    if lack is not None:
        able = ", ".join(
            name for name in probe.attn_implementations if not problem_of(model.engine, name)
        )
        message = f'"{name}" does not work here for lack of {lack}, use one of {able}'
        yield ("attn_implementation",), message


def _methods(model: Model) -> Iterator[tuple[str, str]]:
    """What the weights are quantized by, and the key that says so."""
    if model.quantization != "none":
        yield "quantization", model.quantization
    if stored := quantization_of(model.source):
        yield "source", stored
