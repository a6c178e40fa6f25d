"""Attention backends that Transformers knows, and what each of them needs to be here."""

from serve_daemon.config.attention import FLASH, HUB_KERNEL, is_hub_kernel
from serve_daemon.engine import requirements
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import EngineSpec, Reason

NAMES = ("sdpa", "eager", "flex_attention", *FLASH)
PACKAGES = {"flash_attention_2": "flash-attn>=2.3.3", "flash_attention_3": "flash-attn-3"}


def lack_of(name: str, *, has_gpu: bool) -> str:
    """What `name` lacks to work here, and the command that installs it; "" if nothing."""
    if name in PACKAGES:
        return _lack_of_flash(PACKAGES[name]) if has_gpu else "an NVIDIA GPU"
    if name == HUB_KERNEL or is_hub_kernel(name):
        return requirements.missing([requirements.kernels()])
    return ""


def _lack_of_flash(package: str) -> str:
    # Where the package is not installed, Transformers gets the kernel from the Hub.
    if requirements.is_installed(requirements.kernels()):
        return ""
    return requirements.missing([package])


def check(spec: EngineSpec, device: str) -> None:
    """Raise `EngineError` where the attention that `spec` asks for can't work on `device`."""
    name = spec.attn_implementation
    if lack := lack_of(name, has_gpu=device != "cpu"):
        raise EngineError(Reason.CONFIG, f"attn_implementation '{name}' needs {lack}")
