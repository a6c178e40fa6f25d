"""The supervisor's end of the links, played by a test: it starts real gateways and fake engines."""

import asyncio
import hashlib
import itertools
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from fakes.children import Child, EngineChild
from serve_daemon.wire.messages import Configure, EngineReady, EngineSpec
from serve_daemon.wire.routing import (
    ConfigureGateway,
    EngineEnded,
    GatewayHeartbeat,
    GatewayReady,
    GatewaySettings,
    GatewayToSupervisor,
    KeyGrant,
    Route,
    Routes,
    RoutesApplied,
    TlsPair,
)

FAKE_PYTHON = str(Path(__file__).with_name("python"))
HEARTBEAT_SECONDS = 0.05
NO_SETTINGS = GatewaySettings()
CRASHES = (signal.SIGABRT, signal.SIGSEGV)


class FakeSupervisor:
    """Starts one gateway, any number of engines, and tells the gateway of them."""

    def __init__(self, directory: Path, settings: GatewaySettings = NO_SETTINGS) -> None:
        self.directory = directory
        self.settings = self._default_settings = settings
        self.tls: TlsPair | None = None
        self.program = [sys.executable, "-m", "serve_daemon.gateway"]
        self.engines: dict[str, EngineChild] = {}
        self.gateways: list[Child] = []
        self._ids = (f"e{number}" for number in itertools.count(1))
        self._versions = itertools.count(1)
        self._routes: list[Route] = []
        self._judging: set[asyncio.Future[None]] = set()
        self.listening = self._listen()

    def _listen(self) -> socket.socket:
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        # Small, so that the kernel does not hide for long that a client stops reading.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        listening.setblocking(False)
        return listening

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self.listening.getsockname()[1]}"

    @property
    def _configuration(self) -> ConfigureGateway:
        return ConfigureGateway(self.settings, HEARTBEAT_SECONDS, "info", self.tls)

    @property
    def gateway(self) -> Child:
        return self.gateways[-1]

    async def reset(self) -> None:
        """Be as new: one idle gateway with the default settings, no model, no engine."""
        for engine in self.engines.values():
            await engine.end()
        self.engines = {}
        self._routes = []
        self.settings = self._default_settings
        alive = [each for each in self.gateways if each.process.returncode is None]
        for gateway in self.gateways:
            if gateway not in alive[-1:]:
                await gateway.end()
        self.gateways = alive[-1:]
        if not alive:
            await self.start_gateway()
        await self.configure()
        await self.until_idle()
        self.gateway.lines.clear()

    async def start_gateway(self, *more: socket.socket) -> Child:
        """Start a gateway on the one socket, and more, and return when it is ready."""
        gateway = await self.begin_gateway(*more)
        await self.publish()
        await gateway.until_said(GatewayReady)
        await gateway.until_said(GatewayHeartbeat)
        return gateway

    async def begin_gateway(self, *more: socket.socket) -> Child:
        gateway = Child(GatewayToSupervisor)
        self.gateways.append(gateway)
        await gateway.start(self.program, [self.listening, *more])
        gateway.peer.send(self._configuration)
        return gateway

    async def start_engine(self, source: str, *, model: str = "m", **spec: Any) -> EngineChild:
        """Start a fake engine, and return when it is ready; the gateway is not told."""
        engine = await self.begin_engine(source, model=model, **spec)
        await engine.until_said(EngineReady)
        return engine

    async def begin_engine(self, source: str, *, model: str = "m", **spec: Any) -> EngineChild:
        engine_id = next(self._ids)
        engine = EngineChild(engine_id, self.directory / f"{engine_id}.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(str(engine.path))
            listening.listen()
            command = [FAKE_PYTHON, "-m", "serve_daemon.engine", "--model", model]
            await engine.start(command, [listening])
        engine.peer.send(
            Configure(
                engine_id=engine_id,
                spec=EngineSpec(model=model, source=source, **spec),
                cache_directory=str(self.directory),
                threads=1,
                heartbeat_seconds=HEARTBEAT_SECONDS,
                log_level="info",
            )
        )
        self.engines[engine_id] = engine
        self._judging.add(judging := asyncio.ensure_future(self._judge(engine)))
        judging.add_done_callback(self._judging.discard)
        return engine

    async def _judge(self, engine: EngineChild) -> None:
        """Tell the gateways of the engine's end, as soon as it is there."""
        status = await engine.process.wait()
        is_own_making = status > 0 or -status in CRASHES
        for gateway in self.gateways:
            gateway.peer.send(EngineEnded(engine.engine_id, is_own_making, f"status {status}"))

    async def serve(self, source: str = "fake:", *, model: str = "m", **spec: Any) -> EngineChild:
        """Start a fake engine and have the gateway route to it alone."""
        engine = await self.start_engine(source, model=model, **spec)
        await self.route(model, engine)
        return engine

    async def route(self, model: str, *engines: EngineChild, **fields: Any) -> None:
        """Publish the route of one model, beside those of the others."""
        known: dict[str, Any] = {
            "aliases": [f"{model}-alias"],
            "state": "ready" if engines else "starting",
            "reason": "",
            "can_wait": True,
            "queue_timeout": 10.0,
            "max_queue": 64,
            "created": int(time.time()),
        }
        addresses = [engine.address for engine in engines]
        route = Route(model=model, engines=addresses, **(known | fields))
        self._routes = [each for each in self._routes if each.model != model] + [route]
        await self.publish()

    async def remove(self, model: str) -> None:
        """Publish the table without the model."""
        self._routes = [each for each in self._routes if each.model != model]
        await self.publish()

    async def configure(self, **settings: Any) -> None:
        """Change settings of the running gateway; they hold when this returns."""
        self.settings = msgspec.structs.replace(self.settings, **settings)
        self.gateway.peer.send(self._configuration)
        await self.publish()  # messages are handled in order

    async def let_in(self, keys: dict[str, str], **models: list[str]) -> None:
        """Have the running gateway ask for keys: by name, and each good for some models, or all."""
        grants = [
            KeyGrant(name, [hashlib.sha256(key.encode()).digest()], models.get(name, []))
            for name, key in keys.items()
        ]
        await self.configure(keys=grants)

    async def publish(self) -> None:
        """Send the routing table to every gateway, and return when it is applied."""
        version = next(self._versions)
        for gateway in self.gateways:
            if gateway.process.returncode is None:
                gateway.peer.send(Routes(version, self._routes))
                await gateway.until(partial(_has_said, gateway, RoutesApplied(version)))

    @property
    def gateway_counts(self) -> GatewayHeartbeat:
        beat: GatewayHeartbeat = self.gateway.last(GatewayHeartbeat)
        return beat

    async def until_idle(self) -> None:
        """Return when the gateway says that no request is open."""
        said = self.gateway.said
        first = len(said) + 1  # the next message may have been under way already
        await self.gateway.until(lambda: any(map(_is_idle, said[first:])))

    async def until_record(self, path: str) -> dict[str, Any]:
        """The access record of the first request to `path`."""
        gateway = self.gateway
        await gateway.until(lambda: any(record.get("path") == path for record in gateway.records))
        return next(record for record in gateway.records if record.get("path") == path)

    async def end(self) -> None:
        for child in [*self.gateways, *self.engines.values()]:
            await child.end()
        self.listening.close()


def _is_idle(message: object) -> bool:
    return isinstance(message, GatewayHeartbeat) and message.open_requests == 0


def _has_said(child: Child, message: Any) -> bool:
    return message in child.said
