"""How much memory keys and values take, as the engines have it. Pure arithmetic."""

from msgspec import Struct

USUAL_CONTEXT = 2048  # tokens that each of max_requests finds room for, where none is asked for
# Of the memory that is there: for a context that was asked for, and for one that the engine chose.
ASKED_SHARE = {"cpu": 0.9, "cuda": 0.8}
CHOSEN_SHARE = {
    ("continuous", "cpu"): 0.25,
    ("compiled", "cpu"): 0.5,  # the kernel gives it as slots fill up
    ("continuous", "cuda"): 0.8,
    ("compiled", "cuda"): 0.8,
}


SCALE_BYTES = {"auto": 0, "int8": 4}  # beside each head's keys, and values, of a token


class Geometry(Struct, frozen=True):
    """What a model needs for each token."""

    layers: int
    key_value_heads: int
    head_size: int
    bytes_per_value: int
    max_positions: int
    scale_bytes: int = 0

    @property
    def bytes_per_token(self) -> int:
        bytes_per_head = self.head_size * self.bytes_per_value + self.scale_bytes
        return 2 * self.layers * self.key_value_heads * bytes_per_head


class Wishes(Struct, frozen=True):
    """What the config asks for; 0 leaves the choice to the engine."""

    engine: str
    max_requests: int
    max_context: int  # tokens
    kv_cache_memory: int  # bytes

    def context(self, max_positions: int) -> int:
        """The longest sequence that is wanted of a model with so many positions."""
        return min(self.max_context or max_positions, max_positions)


def wanted_tokens(wishes: Wishes, max_positions: int) -> int:
    """Places for all sequences together, where memory is no matter.

    The slots of engine compiled are all as long as the longest sequence may get.
    """
    context = wishes.context(max_positions)
    if wishes.max_context or wishes.engine == "compiled":
        return wishes.max_requests * context
    return max(context, wishes.max_requests * min(context, USUAL_CONTEXT))


def most_bytes(wishes: Wishes, memory_bytes: int, device_kind: str) -> int:
    """What the cache may take of `memory_bytes` that are there for it."""
    if wishes.kv_cache_memory:
        return wishes.kv_cache_memory
    chosen = CHOSEN_SHARE[wishes.engine, device_kind]
    return int(memory_bytes * (ASKED_SHARE[device_kind] if wishes.max_context else chosen))
