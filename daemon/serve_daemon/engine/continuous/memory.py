"""How large the pool of keys and values is, and how long a sequence may get. Pure arithmetic."""

from msgspec import Struct

from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

PAGE_TOKENS = 32
USUAL_CONTEXT = 2048  # tokens that each of max_requests finds room for, where memory allows
CPU_SHARE = 0.25  # of the memory that is available
ACCELERATOR_SHARE = 0.8  # of the memory that the weights left free


class Geometry(Struct, frozen=True):
    """What a model needs for each token."""

    layers: int
    key_value_heads: int
    head_size: int
    bytes_per_value: int
    max_positions: int

    @property
    def bytes_per_token(self) -> int:
        return 2 * self.layers * self.key_value_heads * self.head_size * self.bytes_per_value


class Wishes(Struct, frozen=True):
    """What the config asks for; 0 leaves the choice to the engine."""

    max_requests: int
    max_context: int
    kv_cache_memory: int  # bytes


class Pool(Struct, frozen=True):
    pages: int
    max_context: int  # tokens
    bytes: int


def plan(geometry: Geometry, wishes: Wishes, available_bytes: int, device_kind: str) -> Pool:
    """The pool for a model that may take memory out of `available_bytes`.

    Raises `EngineError` where no sequence would fit.
    """
    page_bytes = geometry.bytes_per_token * PAGE_TOKENS
    memory = wishes.kv_cache_memory or _chosen(geometry, wishes, available_bytes, device_kind)
    pages = memory // page_bytes
    longest = min(wishes.max_context or geometry.max_positions, geometry.max_positions)
    max_context = min(longest, pages * PAGE_TOKENS)
    if max_context < 2:  # noqa: PLR2004 - a token in, a token out
        raise EngineError(
            Reason.MEMORY,
            f"the KV cache gets {memory} bytes and a page of {PAGE_TOKENS} tokens takes"
            f" {page_bytes}; raise kv_cache_memory or free memory",
        )
    return Pool(pages=pages, max_context=max_context, bytes=pages * page_bytes)


def _chosen(geometry: Geometry, wishes: Wishes, available_bytes: int, device_kind: str) -> int:
    if device_kind != "cpu":
        return int(available_bytes * ACCELERATOR_SHARE)
    context = min(wishes.max_context or geometry.max_positions, geometry.max_positions)
    comfortable = max(context, wishes.max_requests * min(context, USUAL_CONTEXT))
    pages = -(-comfortable // PAGE_TOKENS)
    wanted = pages * PAGE_TOKENS * geometry.bytes_per_token
    return min(wanted, int(available_bytes * CPU_SHARE))
