"""GET and HEAD of /health and /ready, for probes and load balancers."""

import falcon.asgi

from serve_daemon.api.readiness import ModelState, Readiness
from serve_daemon.gateway.engines.routes import ASLEEP, RoutingTable
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.frames import encode
from serve_daemon.wire.routing import Route


class Health:
    """Answers as long as the gateway lives."""

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        response.data = b'{"status":"ok"}'

    on_head = on_get


class Ready:
    """Whether every model that is to be loaded is ready; with `?model=NAME` whether that one is.

    Nothing is while the gateway drains: who asks in order to send requests is to send none.
    """

    def __init__(self, table: RoutingTable, conditions: Conditions) -> None:
        self._table = table
        self._conditions = conditions

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        name = request.get_param("model")
        routes = self._table.routes if name is None else [self._table.find(name)]
        waiting_for = [
            ModelState(route.model, route.state, route.reason)
            for route in routes
            if not _is_ready(route) and (name is not None or _is_to_be_loaded(route))
        ]
        status = "not ready" if waiting_for else "ready"
        if self._conditions.settings.draining:
            status = "draining"
        response.status = falcon.HTTP_200 if status == "ready" else falcon.HTTP_503
        response.data = encode(Readiness(status, waiting_for))

    on_head = on_get


def _is_ready(route: Route) -> bool:
    return bool(route.engines)


def _is_to_be_loaded(route: Route) -> bool:
    return route.state not in ("stopped", ASLEEP)
