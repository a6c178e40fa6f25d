"""What the supervisor has found out about engines that are gone."""

import asyncio
from collections import OrderedDict

from serve_daemon.wire.routing import EngineEnded

REMEMBERED = 64  # engines; a verdict may come before the end of the connection is noticed
# The supervisor reaps an engine within milliseconds; a connection may break while it lives.
PATIENCE_SECONDS = 1.0


class Verdicts:
    """The last `EngineEnded`s, by engine."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, EngineEnded] = OrderedDict()
        self._awaited: dict[str, asyncio.Future[None]] = {}

    def give(self, verdict: EngineEnded) -> None:
        self._given[verdict.engine_id] = verdict
        if len(self._given) > REMEMBERED:
            self._given.popitem(last=False)
        awaited = self._awaited.pop(verdict.engine_id, None)
        if awaited is not None:
            awaited.set_result(None)

    async def of(self, engine_id: str) -> EngineEnded | None:
        """The verdict on an engine that was lost a moment ago; None if there is none."""
        if engine_id not in self._given:
            loop = asyncio.get_running_loop()
            awaited = self._awaited.setdefault(engine_id, loop.create_future())
            await asyncio.wait({awaited}, timeout=PATIENCE_SECONDS)
            if self._awaited.get(engine_id) is awaited:
                del self._awaited[engine_id]
        return self._given.get(engine_id)
