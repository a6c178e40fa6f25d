"""Which key to lower where an engine has no room, and how far. Pure; all sizes are bytes."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from serve_daemon.config.tuning import Model

LONGEST_CONTEXT = 131072  # tokens, of a model that leaves it open
SHORTEST_CONTEXT = 256  # of less nobody would have any use
METHODS = ("bnb-8bit", "bnb-4bit")  # the mildest first

_MEBIBYTE = 2**20
_STEP = 1024


class Advice(Struct, frozen=True):
    key: str  # in the model's table
    text: str


def advise(
    model: Model, room: int, need: Callable[[Model], int | None], *, is_quantized: bool
) -> Advice:
    """What would make one engine of `model` fit into `room`, by what others would `need`.

    `is_quantized`: the checkpoint is, so that it can't be quantized any further.
    """

    def fits(**keys: Any) -> bool:
        needed = need(model.model_copy(update=keys))
        return needed is not None and needed <= room

    advice = _smaller_cache(model, fits) or _fewer_requests(model, fits)
    advice = advice or _shorter_context(model, fits)
    if advice is None and model.quantization == "none" and not is_quantized:
        fitting = [each for each in METHODS if fits(quantization=each)]
        texts = [f'set quantization = "{each}"' for each in fitting]
        advice = Advice("quantization", texts[0]) if texts else None
    return advice or Advice("source", "use a smaller model")


def size(count: float) -> str:
    """A number of bytes as the file has them, as 1.5GiB."""
    for unit in ("B", "KiB", "MiB"):
        if count < _STEP:
            return f"{count:.1f}{unit}" if unit != "B" else f"{count:.0f}B"
        count /= _STEP
    return f"{count:.1f}GiB"


Fits = Callable[..., bool]


def _smaller_cache(model: Model, fits: Fits) -> Advice | None:
    if not model.kv_cache_memory:
        return None
    most = _most(
        lambda count: fits(kv_cache_memory=count * _MEBIBYTE), model.kv_cache_memory // _MEBIBYTE
    )
    return Advice("kv_cache_memory", f"lower kv_cache_memory to {most}MiB") if most else None


def _fewer_requests(model: Model, fits: Fits) -> Advice | None:
    most = _most(lambda count: fits(max_requests=count), model.max_requests)
    text = f"lower max_requests from {model.max_requests} to {most}"
    return Advice("max_requests", text) if most else None


def _shorter_context(model: Model, fits: Fits) -> Advice | None:
    longest = model.max_context or LONGEST_CONTEXT
    most = _most(lambda tokens: fits(max_requests=1, max_context=tokens), longest)
    if most < SHORTEST_CONTEXT:
        return None
    first = "" if model.max_requests == 1 else "lower max_requests to 1 and "
    return Advice("max_context", f"{first}set max_context = {most}")


def _most(fits: Callable[[int], bool], highest: int) -> int:
    """The highest number up to `highest` that fits, where all below one that fits do; 0: none."""
    low, high = 0, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
