"""How large the pool of keys and values is, and how long a sequence may get. Pure arithmetic."""

from msgspec import Struct

from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.geometry import Geometry
from serve_daemon.wire.messages import Reason

CPU_PAGE_TOKENS = 32  # small, so that short prefixes are shared
ACCELERATOR_PAGE_TOKENS = 256  # what flash attention's block tables ask for
USUAL_CONTEXT = 2048  # tokens that each of max_requests finds room for, where memory allows
CPU_SHARE = 0.25  # of the memory that is available
ACCELERATOR_SHARE = 0.8  # of the memory that the weights left free


class Wishes(Struct, frozen=True):
    """What the config asks for; 0 leaves the choice to the engine."""

    max_requests: int
    max_context: int
    kv_cache_memory: int  # bytes


class Pool(Struct, frozen=True):
    pages: int
    page_tokens: int
    max_context: int  # tokens
    bytes: int


def plan(geometry: Geometry, wishes: Wishes, available_bytes: int, device_kind: str) -> Pool:
    """The pool for a model that may take memory out of `available_bytes`.

    Raises `EngineError` where no sequence would fit.
    """
    page_tokens = CPU_PAGE_TOKENS if device_kind == "cpu" else ACCELERATOR_PAGE_TOKENS
    page_bytes = geometry.bytes_per_token * page_tokens
    memory = wishes.kv_cache_memory or _chosen(geometry, wishes, available_bytes, device_kind)
    pages = memory // page_bytes
    longest = min(wishes.max_context or geometry.max_positions, geometry.max_positions)
    max_context = min(longest, pages * page_tokens)
    if max_context < 2:  # noqa: PLR2004 - a token in, a token out
        raise EngineError(
            Reason.MEMORY,
            f"the KV cache gets {memory} bytes and a page of {page_tokens} tokens takes"
            f" {page_bytes}; raise kv_cache_memory or free memory",
        )
    return Pool(
        pages=pages, page_tokens=page_tokens, max_context=max_context, bytes=pages * page_bytes
    )


def _chosen(geometry: Geometry, wishes: Wishes, available_bytes: int, device_kind: str) -> int:
    if device_kind != "cpu":
        return int(available_bytes * ACCELERATOR_SHARE)
    context = min(wishes.max_context or geometry.max_positions, geometry.max_positions)
    comfortable = max(context, wishes.max_requests * min(context, USUAL_CONTEXT))
    pages = -(-comfortable // CPU_PAGE_TOKENS)
    wanted = pages * CPU_PAGE_TOKENS * geometry.bytes_per_token
    return min(wanted, int(available_bytes * CPU_SHARE))
