"""How exceptions become reasons that somebody can act on."""

import errno

import pytest

from serve_daemon.engine.errors import EngineError, classify
from serve_daemon.wire.messages import Reason


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


class AcceleratorError(RuntimeError):
    """Named like torch's."""


@pytest.mark.parametrize(
    ("error", "reason", "says"),
    [
        (MemoryError(), Reason.MEMORY, "lower kv_cache_memory"),
        (OutOfMemoryError("CUDA out of memory. Tried"), Reason.MEMORY, "CUDA out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you"), Reason.MEMORY, "lower"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), Reason.MEMORY, "lower"),
        (AcceleratorError("an illegal access"), Reason.INTERNAL, "an illegal access"),
        (RuntimeError("CUDA error: device-side assert"), Reason.INTERNAL, "device-side assert"),
        (AcceleratorError("CUDA error: uncorrectable ECC error"), Reason.DEVICE, "nvidia-smi"),
        (AcceleratorError("CUDA error: misaligned address\nFor"), Reason.INTERNAL, "address"),
        (RuntimeError("No CUDA GPUs are available"), Reason.DEVICE, "No CUDA GPUs"),
        (AcceleratorError("CUDA error: unknown error"), Reason.DEVICE, "unknown error"),
        (RuntimeError("no CUDA-capable device is detected"), Reason.DEVICE, "no CUDA-capable"),
        (ModuleNotFoundError("No module named 'gguf'", name="gguf"), Reason.CONFIG, "install gguf"),
        (ModuleNotFoundError("no torch", name="torch"), Reason.CONFIG, "servectl engine install"),
        (ImportError("requires flash_attn"), Reason.CONFIG, "install what is missing"),
        (OSError(errno.ENOSPC, "No space left on device"), Reason.CONFIG, "make room"),
        (ValueError("two\nlines"), Reason.INTERNAL, "ValueError: two lines"),
        (KeyError(), Reason.INTERNAL, "KeyError: no message"),
    ],
)
def test_classify(error: BaseException, reason: Reason, says: str) -> None:
    """The class tells who must act, the one line what about."""
    failure = classify(error)
    assert failure.reason is reason
    assert says in failure.message
    assert "\n" not in failure.message
    assert "For" not in failure.message  # the general advice that torch gives with each


def test_an_engine_error_keeps_its_reason() -> None:
    """What was classed where it was raised is not classed again."""
    error = EngineError(Reason.SOURCE, "out of memory is the file's name")
    assert classify(error) is error
