"""GET and HEAD of /v1/models and /v1/models/MODEL."""

import falcon.asgi

from serve_daemon.api.models import ModelList, ModelReply
from serve_daemon.gateway.frames import encode
from serve_daemon.gateway.routes import RoutingTable


class ModelCollection:
    """All models, whatever state they are in."""

    def __init__(self, table: RoutingTable) -> None:
        self._table = table

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        models = [ModelReply(route.model, route.created) for route in self._table.routes]
        response.data = encode(ModelList(models))

    on_head = on_get


class OneModel:
    """One model, by its name or an alias."""

    def __init__(self, table: RoutingTable) -> None:
        self._table = table

    async def on_get(
        self, _request: falcon.asgi.Request, response: falcon.asgi.Response, model: str
    ) -> None:
        route = self._table.find(model)
        response.data = encode(ModelReply(model, route.created))

    on_head = on_get
