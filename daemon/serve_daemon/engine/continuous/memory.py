"""How large the pool of keys and values is, and how long a sequence may get. Pure arithmetic."""

from msgspec import Struct

from serve_daemon.config.kv_cache import Geometry, Wishes, most_bytes, wanted_tokens
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

CPU_PAGE_TOKENS = 32  # small, so that short prefixes are shared
ACCELERATOR_PAGE_TOKENS = 256  # what flash attention's block tables ask for


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
    most = most_bytes(wishes, available_bytes, device_kind)
    wanted_pages = -(-wanted_tokens(wishes, geometry.max_positions) // page_tokens)
    memory = most if wishes.kv_cache_memory else min(wanted_pages * page_bytes, most)
    pages = memory // page_bytes
    longest = wishes.context(geometry.max_positions)
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
