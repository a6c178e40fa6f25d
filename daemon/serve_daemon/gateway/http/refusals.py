"""Requests that show no good key: counted, so that whoever tries keys can't fill the log."""

import asyncio

import structlog

log = structlog.get_logger()

COUNT_SECONDS = 1.0


class Refusals:
    """Writes one line for all that were refused in a second."""

    def __init__(self) -> None:
        self._count = 0
        self._clients: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, client: str) -> None:
        self._count += 1
        self._clients.add(client)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(COUNT_SECONDS, self._write, client)

    def _write(self, first_client: str) -> None:
        log.warning(
            "requests without a good key are refused",
            requests=self._count,
            clients=len(self._clients),
            client=first_client,
        )
        self._count = 0
        self._clients.clear()
        self._timer = None
