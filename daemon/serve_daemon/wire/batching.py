"""How engine `continuous` drives Transformers' batching, in its words: as the config says it."""

from msgspec import Struct


class Batching(Struct, frozen=True):
    default_compile_level: int = 0  # to 3
    use_cuda_graph: bool | None = None  # None: chosen by the engine
    use_async_batching: bool | None = None  # likewise
    cpu_offload_space: int = 0  # bytes of the host
