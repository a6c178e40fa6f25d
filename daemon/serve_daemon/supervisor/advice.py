"""Which key to lower where an engine has no room, and how far. Pure; all sizes are bytes."""

from msgspec import Struct

from serve_daemon.config.estimate import Estimate
from serve_daemon.config.tuning import Model

# What is left of 16-bit weights, scales and unquantized layers included: the mildest first.
_QUANTIZED_SHARES = {"bnb-8bit": 0.65, "bnb-4bit": 0.45}
_STEP = 1024


class Advice(Struct, frozen=True):
    key: str  # in the model's table
    text: str


def advise(model: Model, estimate: Estimate, room: int, *, is_quantized: bool) -> Advice:
    """What would make one engine of `model` fit into `room`.

    `is_quantized`: the checkpoint is, so that it can't be quantized any further.
    """
    for_cache = room - (estimate.total - estimate.kv_cache)
    if for_cache > 0 and estimate.kv_cache:
        return _smaller_cache(model, for_cache / estimate.kv_cache, for_cache)
    beside_weights = estimate.program + estimate.workspace
    if model.quantization == "none" and not is_quantized:
        for method, share in _QUANTIZED_SHARES.items():
            if beside_weights + estimate.weights * share < room:
                return Advice("quantization", f'set quantization = "{method}"')
    return Advice("source", "use a smaller model")


def size(count: float) -> str:
    """A number of bytes as the file has them, as 1.5GiB."""
    for unit in ("B", "KiB", "MiB"):
        if count < _STEP:
            return f"{count:.1f}{unit}" if unit != "B" else f"{count:.0f}B"
        count /= _STEP
    return f"{count:.1f}GiB"


def _smaller_cache(model: Model, share: float, room: int) -> Advice:
    """What fits of the keys and values that it asks for is `share`, or `room`."""
    if model.kv_cache_memory:
        return Advice("kv_cache_memory", f"lower kv_cache_memory to {size(room)}")
    if requests := int(model.max_requests * share):
        text = f"lower max_requests from {model.max_requests} to {requests}"
        return Advice("max_requests", text)
    if tokens := int(model.max_context * model.max_requests * share):
        first = "" if model.max_requests == 1 else "lower max_requests to 1 and "
        return Advice("max_context", f"{first}lower max_context to {tokens}")
    return Advice("max_context", "set a small max_context")
