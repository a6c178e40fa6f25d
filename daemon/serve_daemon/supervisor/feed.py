"""A feed: the last items of a kind, and each new one as it comes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

# A follower that is this far behind is dropped, so that a stopped terminal costs no memory.
MAX_BEHIND = 10_000


class Feed(Generic[T]):
    def __init__(self, kept: int) -> None:
        self._kept: deque[T] = deque(maxlen=kept)
        self._followers: set[asyncio.Queue[T | None]] = set()

    def add(self, item: T) -> None:
        self._kept.append(item)
        for queue in list(self._followers):
            if queue.qsize() >= MAX_BEHIND:
                self._followers.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(item)

    def last(self) -> list[T]:
        """What is kept, oldest first."""
        return list(self._kept)

    @contextmanager
    def following(self) -> Iterator[AsyncIterator[T]]:
        """Each item that is added from now on, until the follower is too far behind."""
        queue: asyncio.Queue[T | None] = asyncio.Queue()
        self._followers.add(queue)
        try:
            yield _until_none(queue)
        finally:
            self._followers.discard(queue)


async def _until_none(queue: asyncio.Queue[T | None]) -> AsyncIterator[T]:
    while (item := await queue.get()) is not None:
        yield item
