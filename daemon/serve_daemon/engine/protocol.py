"""What every implementation of an engine offers to the program around it."""

from typing import Protocol, runtime_checkable

from msgspec import Struct

from serve_daemon.wire.messages import Embed, Kind, Output, Submit

Outputs = dict[int, list[Output]]  # by owner


class Facts(Struct, frozen=True):
    """What an engine knows of itself once its model is loaded."""

    max_context: int  # tokens
    max_requests: int
    vocabulary: int
    eos_tokens: list[int]
    device: str
    dtype: str
    attn_implementation: str
    weights_bytes: int
    kv_cache_bytes: int
    kind: Kind = Kind.GENERATION
    dimensions: int = 0  # of the vectors that an embedder makes


class Stats(Struct, frozen=True):
    running: int
    waiting: int
    steps: int
    generated_tokens: int
    stalled_seconds: float
    is_compiling: bool = False  # it serves uncompiled meanwhile
    kv_cache_usage: float | None = None  # the share that is in use, of 1


class Sink(Protocol):
    """Hears from the computing thread; must return quickly."""

    def step(self, outputs: Outputs) -> None:
        """Take all outputs of one scheduler step."""

    def fatal(self, error: BaseException) -> None:
        """Take the last word: the computing thread has ended."""


class Worker(Protocol):
    """What engines of every kind have in common. A sequence has an owner, and a number there.

    Every sequence ends with exactly one finish unless it is cancelled. All methods return at once
    and may be called from any one thread.
    """

    def start(self, sink: Sink) -> None:
        """Warm up, then compute for `sink`; returns when sequences can be begun."""

    def facts(self) -> Facts: ...

    def cancel(self, owner: int, sequence: int) -> None: ...

    def use_threads(self, threads: int) -> None: ...

    def stats(self) -> Stats: ...

    def stop(self) -> None:
        """End the computing thread; sequences are dropped."""


class Engine(Worker, Protocol):
    """Token ids in, token ids out."""

    def submit(self, owner: int, sequence: Submit) -> None: ...


@runtime_checkable
class Embedder(Worker, Protocol):
    """Token ids in, a vector of each text out."""

    def embed(self, owner: int, sequence: Embed) -> None: ...


AnyEngine = Engine | Embedder
