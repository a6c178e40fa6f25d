"""Waiting for what another worker writes, of which nothing tells but the database itself."""

import asyncio

from serve_daemon.gateway.store.store import Store

LOOK_EVERY_SECONDS = 0.05


class Changes:
    """Looks, for all who wait together, and only while somebody waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: set[asyncio.Future[None]] = set()
        self._looking: asyncio.Future[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Return when anything was written, or after so long."""
        changed = asyncio.get_running_loop().create_future()
        self._waiting.add(changed)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        try:
            await asyncio.wait({changed}, timeout=seconds)
        finally:
            self._waiting.discard(changed)

    async def _look(self) -> None:
        seen = await self._store.version()
        while self._waiting:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            if (version := await self._store.version()) != seen:
                seen = version
                for each in self._waiting:
                    if not each.done():
                        each.set_result(None)
