"""What engines can do on this machine: asked of torch, for programs that don't import it."""

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from serve_daemon.config import probe as config_probe
from serve_daemon.config.directories import cache_directory
from serve_daemon.config.probe import Device, Probe
from serve_daemon.engine import engines

PACKAGES = ("torch", "transformers", "accelerate", "bitsandbytes", "gguf", "safetensors", "kernels")
DTYPES = ["bfloat16", "float16", "float32"]
FLASH_PACKAGES = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}


def print_probe() -> int:
    """Print what was found out as JSON and keep it in the cache directory."""
    probe = find_out()
    config_probe.store(str(cache_directory()), "", probe)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(probe)).decode() + "\n")
    return 0


def store_if_new(directory: Path) -> None:
    """Keep what can be found out, unless that was done for this environment."""
    if config_probe.cached(str(directory), "") is None:
        config_probe.store(str(directory), "", find_out())


def find_out() -> Probe:
    missing = {name: _lack(package) for name, package in FLASH_PACKAGES.items() if _lack(package)}
    return Probe(
        versions={"python": platform.python_version()} | dict(_versions()),
        devices=[_processor(), *_accelerators()],
        attn_implementations=[
            *("sdpa", "eager"),
            *(name for name in FLASH_PACKAGES if name not in missing),
        ],
        engines=list(engines.NAMES),
        quantization=_quantization(),
        unavailable_attn_implementations=missing
        | {"flex_attention": "an engine that uses it; continuous batching does not"},
    )


def _versions() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue


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


def _lack(package: str) -> str:
    """What keeps a flash attention package from working here; "" if nothing does."""
    if importlib.util.find_spec(package) is None:
        return f"the Python package {package}"
    return "" if any(True for _ in _accelerators()) else "an NVIDIA GPU"


def _quantization() -> list[str]:
    found = {
        "bitsandbytes": ["bnb-4bit", "bnb-8bit"],
        "gguf": ["gguf"],
    }
    return [
        name
        for package, names in found.items()
        if importlib.util.find_spec(package)
        for name in names
    ]
