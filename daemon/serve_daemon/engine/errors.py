"""Failures of an engine, classed by who must act."""

import errno

from serve_daemon.wire.messages import Reason


class EngineError(Exception):
    """The engine can't start or go on: why, in one line, and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


MEMORY_TYPES = frozenset({"MemoryError", "OutOfMemoryError"})
MEMORY_PHRASES = ("can't allocate memory", "out of memory", "not enough memory")
# What the drivers say of a device that is gone or broken, whatever was computed. Of all the other
# errors of a device (an illegal access, an assertion, a failed launch) that may be the cause.
LOST_DEVICE_PHRASES = (
    *("No CUDA GPUs", "No HIP GPUs", "no CUDA-capable device", "no ROCm-capable device"),
    *("Found no NVIDIA driver", "CUDA driver", "driver shutting down"),
    *("busy or unavailable", "invalid device ordinal", "system not yet initialized"),
    *("uncorrectable ECC", "uncorrectable NVLink", "GPU is lost", "fallen off the bus"),
    *("CUDA error: initialization error", "CUDA error: unknown error", "HIP error: unknown error"),
)


def classify(error: BaseException) -> EngineError:
    """`error` with a reason and one line of message; an `EngineError` is returned as it is."""
    if isinstance(error, EngineError):
        return error
    reason, text = _reason(error), _one_line(str(error))
    if isinstance(error, ImportError):
        return EngineError(reason, f"{text}; {_install_hint(error)}")
    if reason is Reason.MEMORY:
        return EngineError(
            reason, f"{text}; lower kv_cache_memory, max_requests or max_batch_tokens"
        )
    if reason is Reason.DEVICE:
        return EngineError(reason, f"{text}; look at nvidia-smi and the kernel's log")
    if _is_full_disk(error):
        return EngineError(reason, f"{text}; make room, or move the cache directory")
    return EngineError(reason, f"{type(error).__name__}: {text}")


def _one_line(text: str) -> str:
    if text.startswith(("CUDA error", "HIP error")):  # lines of general advice follow
        text = text.partition("\n")[0]
    return " ".join(text.split()) or "no message"


def _reason(error: BaseException) -> Reason:
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    if names & MEMORY_TYPES or _mentions(text, MEMORY_PHRASES):
        return Reason.MEMORY
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return Reason.MEMORY
    if _mentions(text, LOST_DEVICE_PHRASES):
        return Reason.DEVICE
    if isinstance(error, ImportError) or _is_full_disk(error):
        return Reason.CONFIG
    return Reason.INTERNAL


def _is_full_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _mentions(text: str, phrases: tuple[str, ...]) -> bool:
    lowered = text.lower()
    return any(phrase.lower() in lowered for phrase in phrases)


def _install_hint(error: ImportError) -> str:
    if error.name == "torch":  # as in the environment of the Debian package
        return "servectl engine install makes an environment for engines; see [engine] python"
    if error.name:
        package = error.name.partition(".")[0]
        return f"pip install {package} into the engine's Python environment"
    return "install what is missing into the engine's Python environment"
