"""What engines can do on this machine: asked of torch, for programs that don't import it."""

import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from serve_daemon.config import probe as config_probe
from serve_daemon.config.attention import HUB_KERNEL
from serve_daemon.config.checkpoint import BITSANDBYTES
from serve_daemon.config.directories import cache_directory
from serve_daemon.config.probe import Device, Probe
from serve_daemon.engine import attention, engines, footprint, quantization

DTYPES = ["bfloat16", "float16", "float32"]


def print_probe() -> int:
    """Print what was found out as JSON and keep it in the cache directory."""
    has_bitsandbytes = not quantization.missing_packages(BITSANDBYTES)
    # Each is measured with those before it: the one that imports the least comes first.
    names = ("embedding", *engines.GENERATING)
    sizes = footprint.measured(names, with_bitsandbytes=has_bitsandbytes)
    probe = find_out(sizes)
    config_probe.store(str(cache_directory()), "", probe)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(probe)).decode() + "\n")
    return 0


def store_if_new(directory: Path, program_bytes: dict[str, int]) -> None:
    """Keep what can be found out, unless that was done for this environment.

    `program_bytes` is what was measured of this process, as in `Probe`.
    """
    known = config_probe.cached(str(directory), "")
    if known is None:
        config_probe.store(str(directory), "", find_out(program_bytes))
    elif not program_bytes.keys() <= known.program_bytes.keys():
        sizes = program_bytes | known.program_bytes
        config_probe.store(str(directory), "", msgspec.structs.replace(known, program_bytes=sizes))


def find_out(program_bytes: dict[str, int]) -> Probe:
    capabilities = [quantization.capability(device.name) for device in _accelerators()]
    lacks = {
        name: attention.lack_of(name, has_gpu=bool(capabilities))
        for name in (*attention.NAMES, HUB_KERNEL)
    }
    lacking = _lacking_quantization(capabilities)
    works = [name for name in (*quantization.RUNTIME, *quantization.METHODS) if name not in lacking]
    return Probe(
        versions=footprint.versions(),
        devices=[_processor(), *_accelerators()],
        attn_implementations=[name for name in attention.NAMES if not lacks[name]],
        engines=list(engines.NAMES),
        quantization=works,
        unavailable_attn_implementations={name: lack for name, lack in lacks.items() if lack},
        unavailable_quantization=lacking,
        gpu_quantization=[name for name in works if quantization.missing_device(name, [])],
        program_bytes=program_bytes,
    )


def _lacking_quantization(capabilities: list[quantization.Capability]) -> dict[str, str]:
    """What each method lacks that doesn't work here."""
    names = {name: name for name in quantization.METHODS} | quantization.RUNTIME
    lacking = {
        name: quantization.missing_device(method, capabilities)
        or quantization.missing_packages(method)
        for name, method in names.items()
    }
    return {name: lack for name, lack in lacking.items() if lack}


def _processor() -> Device:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Device("cpu", platform.processor() or platform.machine(), memory_bytes, DTYPES)


def _accelerators() -> Iterator[Device]:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for index in range(count):
        properties = torch.cuda.get_device_properties(index)
        has_bf16 = properties.major >= 8  # noqa: PLR2004 - Ampere
        dtypes = [name for name in DTYPES if has_bf16 or name != "bfloat16"]
        yield Device(f"cuda:{index}", properties.name, properties.total_memory, dtypes)
