"""The whole ASGI application: what is asked over HTTP, and connections that are upgraded."""

from typing import Any

from serve_daemon.gateway.http.front import Front
from serve_daemon.gateway.http.limits import Receive
from serve_daemon.gateway.responses.sockets import Send
from serve_daemon.gateway.responses.websocket import WebSockets


class Entrance:
    """Tells them apart."""

    def __init__(self, front: Front, sockets: WebSockets) -> None:
        self.sockets = sockets
        self._front = front

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        application = self.sockets if scope["type"] == "websocket" else self._front
        await application(scope, receive, send)
