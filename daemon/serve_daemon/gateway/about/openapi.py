"""GET and HEAD of /openapi.json."""

from collections.abc import Callable

import falcon.asgi

from serve_daemon.api.openapi import document
from serve_daemon.api.operation import Kind
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.gateway.http.frames import encode


class OpenApi:
    """The document, made anew where other models are served than before."""

    def __init__(self, table: RoutingTable, needs_key: Callable[[], bool]) -> None:
        self._table = table
        self._needs_key = needs_key
        self._made_for: tuple[dict[Kind, list[str]], bool] | None = None
        self._document = b""

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        asked = (self._names(), self._needs_key())
        if asked != self._made_for:
            self._document = encode(document(asked[0], needs_key=asked[1]))
            self._made_for = asked
        response.data = self._document

    on_head = on_get

    def _names(self) -> dict[Kind, list[str]]:
        names: dict[Kind, list[str]] = {"generation": [], "embedding": [], "any": []}
        for route in self._table.routes:
            kind: Kind = "embedding" if route.engine == "embedding" else "generation"
            for each in (kind, "any"):
                names[each] += [route.model, *route.aliases]
        return names
