"""Waiting for a change of state without asking again and again."""

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes whoever waits for a predicate whenever something that it may depend on has changed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def wait_for(self, predicate: Callable[[], bool]) -> None:
        while not predicate():
            future = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                await future
            finally:
                self._waiting.discard(future)
