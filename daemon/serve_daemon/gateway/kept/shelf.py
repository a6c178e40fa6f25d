"""Where responses are kept, if that can be had."""

from pathlib import Path

import structlog

from serve_daemon.gateway.kept.errors import store_unavailable
from serve_daemon.gateway.store.errors import StoreUnavailable
from serve_daemon.gateway.store.store import Store, open_store

log = structlog.get_logger()


class Shelf:
    """A store, or the reason why there is none."""

    def __init__(self, store: Store | None = None, reason: str = "") -> None:
        self.store = store
        self._reason = reason or "this server has no state directory"
        self.is_unwanted = store is None and not reason

    def require(self) -> Store:
        """The store, for what is nothing without. Raises `ApiError` 503."""
        if self.store is None:
            raise store_unavailable(self._reason)
        return self.store


async def open_shelf(directory: str) -> Shelf:
    """What this directory gives; that it gives nothing is logged."""
    if not directory:
        return Shelf()
    try:
        return Shelf(await open_store(Path(directory)))
    except StoreUnavailable as error:
        log.warning("no response is kept, and none is found", error=str(error))
        return Shelf(reason=str(error))
