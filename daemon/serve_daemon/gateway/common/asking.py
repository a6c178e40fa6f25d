"""Who asks: known to everything that is done for a request, in whatever task it is done.

It is bound to the context in which a request is answered, so that no endpoint can forget to look:
the routing table shows each client its models alone, and engines are told whose a sequence is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec import Struct


class Asker(Struct, frozen=True):
    key_name: str = ""  # "": the configuration has no keys
    models: frozenset[str] = frozenset()  # those that it may use, by their own names; empty: all
    trace_id: str = ""  # of W3C's trace context, where the client has one

    def may_use(self, model: str) -> bool:
        """Whether it may know of a model, and ask for it. `model` is no alias."""
        return not self.models or model in self.models


_current: ContextVar[Asker] = ContextVar("asker", default=Asker())  # noqa: B039 - it is frozen


def asker() -> Asker:
    """Who asks, in the request that is being answered; anybody where none is."""
    return _current.get()


@contextmanager
def asking(each: Asker) -> Iterator[None]:
    """Let what is done here, and every task that begins here, be done for `each`."""
    token = _current.set(each)
    try:
        yield
    finally:
        _current.reset(token)
