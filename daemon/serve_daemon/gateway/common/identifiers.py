"""Names for responses, items and calls: random, and the same again where an answer is told again.

A stored response whose gateway has died is told once more by the next one, from the tokens that
were there, and then goes on: so all names in it are drawn from a source that begins alike.
"""

import contextlib
import random
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

ID_BITS = 128

_source: ContextVar[random.Random | None] = ContextVar("identifiers", default=None)


def new_id(prefix: str) -> str:
    """`prefix`, an underscore, and 32 hexadecimal digits."""
    source = _source.get()
    digits = uuid.uuid4().hex if source is None else f"{source.getrandbits(ID_BITS):032x}"
    return f"{prefix}_{digits}"


def source_of(response_id: str) -> random.Random:
    """Where the names in one response come from: from equal ids come equal names."""
    return random.Random(response_id)  # noqa: S311 - nobody gains anything from guessing them


@contextlib.contextmanager
def drawn_from(source: random.Random) -> Iterator[None]:
    """Have `new_id` draw from this source, in this task."""
    before = _source.set(source)
    try:
        yield
    finally:
        _source.reset(before)
