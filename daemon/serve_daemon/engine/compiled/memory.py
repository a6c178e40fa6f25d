"""How many tokens a slot holds. Pure arithmetic."""

from msgspec import Struct

from serve_daemon.config.kv_cache import Wishes, most_bytes
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

GRANULE_TOKENS = 64
SMALLEST_CONTEXT = 2  # a token in, a token out


class Pool(Struct, frozen=True):
    """One row a slot, each as long as the longest sequence may get."""

    slots: int
    max_context: int  # tokens
    bytes: int


def plan(
    bytes_per_token: int,
    max_positions: int,
    wishes: Wishes,
    available_bytes: int,
    device_kind: str,
) -> Pool:
    """The slots for a model that may take memory out of `available_bytes`.

    Raises `EngineError` where the context that is asked for does not fit.
    """
    budget = most_bytes(wishes, available_bytes, device_kind)
    fitting = budget // (bytes_per_token * wishes.max_requests)
    wanted = wishes.context(max_positions)
    if fitting < max(wishes.max_context and wanted, SMALLEST_CONTEXT):
        needed = bytes_per_token * wishes.max_requests * max(wanted, SMALLEST_CONTEXT)
        raise EngineError(
            Reason.MEMORY,
            f"{wishes.max_requests} slots of {max(wanted, SMALLEST_CONTEXT)} tokens take"
            f" {needed} bytes and the KV cache gets {budget};"
            " lower max_context or max_requests, or raise kv_cache_memory",
        )
    length = wanted if fitting >= wanted else _round_down(fitting)
    return Pool(
        slots=wishes.max_requests,
        max_context=length,
        bytes=length * wishes.max_requests * bytes_per_token,
    )


def _round_down(tokens: int) -> int:
    return tokens // GRANULE_TOKENS * GRANULE_TOKENS or tokens
