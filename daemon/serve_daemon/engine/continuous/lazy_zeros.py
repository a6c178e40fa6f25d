"""A KV pool that takes memory as it fills up, not when it is made."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from serve_daemon.engine import untouched

LARGE_BYTES = 1024 * 1024


class LazyZeros(TorchFunctionMode):
    """While it is entered, `torch.zeros` leaves large tensors on a CPU to the kernel to clear.

    torch writes its zeros, which takes a second and all the memory of a pool that may never fill.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        _types: Sequence[type],
        arguments: Sequence[Any] = (),
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        options = options or {}
        if function is torch.zeros and _is_large_bytes(arguments, options):
            shape = arguments[0]
            return untouched.zeros([shape] if isinstance(shape, int) else shape, torch.uint8)
        return function(*arguments, **options)


def _is_large_bytes(arguments: Sequence[Any], options: Mapping[str, Any]) -> bool:
    if len(arguments) != 1 or set(options) - {"dtype", "device"}:
        return False
    shape = arguments[0] if isinstance(arguments[0], tuple | list) else [arguments[0]]
    return (
        options.get("dtype") is torch.uint8
        and torch.device(options.get("device") or "cpu").type == "cpu"
        and math.prod(shape) >= LARGE_BYTES
    )
