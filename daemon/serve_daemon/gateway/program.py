"""The gateway as a program: its link to the supervisor, from the first message to its end."""

import asyncio
import contextlib
import math
import os
import signal
import socket

import structlog

from serve_daemon.gateway.about.metrics import MetricsPage, metrics_servers
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.answers.prompts import Prompts
from serve_daemon.gateway.app import create_app
from serve_daemon.gateway.common.errors import shutting_down
from serve_daemon.gateway.descriptors import places, raise_descriptor_limit
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.gateway.entrance import Entrance
from serve_daemon.gateway.garbage import look_seldom
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.idle_connections import IdleConnections, Limits
from serve_daemon.gateway.http.keys import Keys
from serve_daemon.gateway.http.server import Allowance, InheritedServer
from serve_daemon.gateway.http.stalls import StallWatch
from serve_daemon.gateway.kept.shelf import open_shelf
from serve_daemon.gateway.responses.kept_responses import KeptResponses
from serve_daemon.gateway.responses.websocket import WebSockets
from serve_daemon.gateway.text.chat_template import ChatTemplates
from serve_daemon.gateway.text.tokenizer import TextModels
from serve_daemon.wire.logs import configure_child_logging, set_level
from serve_daemon.wire.messages import SetLogLevel
from serve_daemon.wire.metrics import Counted
from serve_daemon.wire.routing import (
    ConfigureGateway,
    Convicted,
    EngineEnded,
    GatewayReady,
    GatewaySettings,
    Routes,
    RoutesApplied,
    StopAccepting,
    SupervisorToGateway,
    TlsPair,
    Wake,
)
from serve_daemon.wire.transport import Peer, adopt

log = structlog.get_logger()

# A connection that the kernel has handed over becomes a request within this time.
SETTLE_SECONDS = 0.5
TLS_SETTLE_SECONDS = 2.0  # with the handshake
# Some clients give up what is open on a connection that is to be closed: so rather while none is.
HTTP2_PATIENCE_SECONDS = 300.0
LAST_WORDS_SECONDS = 1.0  # for what is cut, to tell its client so
STOP_SECONDS = 1.0  # a half-sent body would make the server's stop wait for ever


class Gateway:
    """The whole program."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._prompts = Prompts(TextModels(), ChatTemplates())
        self._models = Models(RoutingTable(self._tell), self._prompts)
        self._conditions = Conditions(
            GatewaySettings(),  # until it is told which
            meter=self._models.table.meters.of(""),
        )
        self._stalls = StallWatch(self._conditions)
        self._configured: asyncio.Future[ConfigureGateway] = loop.create_future()
        self._routed = asyncio.Event()
        self._leave = asyncio.Event()
        self._leave_by: float | None = None  # loop time
        self._drain_limit: asyncio.Timeout | None = None
        self._sockets: WebSockets | None = None
        self._link: Peer[SupervisorToGateway] = Peer(
            SupervisorToGateway, self._told, lambda _error: os._exit(1)
        )

    async def run(
        self, link: socket.socket, listening: list[socket.socket], own: list[socket.socket]
    ) -> None:
        """Serve until told to leave; the process ends with it. `own` are for metrics alone."""
        await adopt(self._link, link)
        tls = (await self._configured).tls
        self._has_tls = tls is not None
        configure_child_logging(self._configuration.log_level)
        self._obey_signals()
        # Connections may wait on the sockets already; none may be told that its model is unknown.
        await self._routed.wait()
        shelf = await open_shelf(self._conditions.settings.state_directory)
        self._kept = KeptResponses(shelf, self._models, self._conditions)
        servers = self._start_servers(listening, tls, own)
        self._link.send(GatewayReady())
        duties = self._take_up_duties(listening)
        await self._prompts.templates.load()
        look_seldom()
        await self._leave.wait()
        await self._drain(servers)
        await self._kept.end()
        for duty in duties:
            duty.cancel()
        self._tell_counts()
        await asyncio.sleep(0)  # in which it goes out

    def _start_servers(
        self, listening: list[socket.socket], tls: TlsPair | None, own: list[socket.socket]
    ) -> list[InheritedServer]:
        settings = self._conditions.settings
        self._places = places(settings.max_connections, len(listening), raise_descriptor_limit())
        allowance = Allowance(self._places, settings.keep_alive_timeout)
        page = MetricsPage(self._conditions)
        beside = None if own or not settings.metrics_path else page
        front = create_app(self._models, self._conditions, self._stalls, self._kept, beside)
        self._sockets = WebSockets(self._kept.making, self._conditions, self._stalls)
        app = Entrance(front, self._sockets)
        servers = [InheritedServer(app, each, allowance, tls) for each in listening]
        servers += metrics_servers(page, settings, own)
        for server in servers:
            server.start()
        return servers

    def _take_up_duties(self, listening: list[socket.socket]) -> list[asyncio.Future[None]]:
        ports = [each.getsockname()[1] for each in listening if each.family != socket.AF_UNIX]
        limits = Limits(self._places, self._conditions.settings.keep_alive_timeout)
        watches = [
            IdleConnections(
                port, limits, answered=self._stalls.clients, asking=self._conditions.clients
            )
            for port in ports
        ]
        duties = [self._beat(), self._stalls.run(), *(watch.run() for watch in watches)]
        duties += [self._kept.take_over(), self._kept.tidy()]
        return [asyncio.ensure_future(duty) for duty in duties]

    # ------------------------------------------------------------ what the supervisor says

    def _told(self, message: SupervisorToGateway) -> None:
        match message:
            case ConfigureGateway():
                self._configure(message)
            case Routes():
                self._apply(message)
            case EngineEnded():
                self._models.table.verdicts.give(message)
            case StopAccepting(seconds=seconds):
                self._begin_to_leave(seconds)
            case SetLogLevel(level=level):
                set_level(level)

    def _configure(self, message: ConfigureGateway) -> None:
        self._models.table.num_workers = message.settings.workers
        self._models.logs_prompts = message.settings.logs_prompts
        self._configuration = message
        self._conditions.settings = message.settings
        self._conditions.keys = Keys(message.settings.keys)
        if self._configured.done():
            set_level(message.log_level)
            if message.settings.draining and self._sockets is not None:
                self._sockets.send_away()
                self._tell_state()
        else:
            self._configured.set_result(message)

    def _apply(self, message: Routes) -> None:
        engines = [address for route in message.routes for address in route.engines]
        self._prompts.texts.apply({address.ready.artefacts for address in engines})
        self._models.table.apply(message)
        self._routed.set()
        self._link.send(RoutesApplied(message.version))

    def _tell(self, news: Wake | Convicted) -> None:
        self._link.send(news)

    async def _beat(self) -> None:
        while True:
            self._tell_state()
            self._tell_counts()
            await asyncio.sleep(self._configuration.heartbeat_seconds)

    def _tell_state(self) -> None:
        self._link.send(self._conditions.told(self._kept.num_in_background))

    def _tell_counts(self) -> None:
        if counted := self._models.table.counted():
            self._link.send(Counted(counted))

    # ------------------------------------------------------------ the end

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        # A terminal sends these to the whole group; the supervisor tells its children what to do.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _terminate(self) -> None:
        """Drain; at once, where it is told so again."""
        patience = self._conditions.settings.drain_timeout
        self._begin_to_leave(0.0 if self._leave.is_set() else patience)

    def _begin_to_leave(self, seconds: float) -> None:
        """Leave within so long, which may be for ever; the last word on it holds."""
        now = asyncio.get_running_loop().time()
        self._leave_by = None if math.isinf(seconds) else now + seconds
        if self._drain_limit is not None and not self._drain_limit.expired():
            self._drain_limit.reschedule(self._leave_by)
        log.info("gateway leaves", open_requests=self._conditions.open_requests, seconds=seconds)
        self._leave.set()

    async def _drain(self, servers: list[InheritedServer]) -> None:
        """Lose no request: whoever else has the sockets accepts, and open requests end here."""
        self._conditions.leave()
        if self._sockets is not None:
            self._sockets.leave()
        for server in servers:
            server.accept_no_more()
        settle_seconds = TLS_SETTLE_SECONDS if self._has_tls else SETTLE_SECONDS
        settled = asyncio.ensure_future(asyncio.sleep(settle_seconds))
        try:
            async with asyncio.timeout_at(self._leave_by) as self._drain_limit:
                await settled
                await self._finish(servers)
        except TimeoutError:
            await self._cut()
        finally:
            self._drain_limit = None
        stopping = [asyncio.ensure_future(server.end()) for server in servers]
        await asyncio.wait(stopping, timeout=STOP_SECONDS)

    async def _finish(self, servers: list[InheritedServer]) -> None:
        """Wait until no request is open; a connection of HTTP/2 may always have one."""
        if self._conditions.has_http2:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HTTP2_PATIENCE_SECONDS):
                    await self._conditions.wait_until_idle()
            for server in servers:
                server.stop()  # its clients are told to make another one, and what is open ends
        await self._conditions.wait_until_idle()

    async def _cut(self) -> None:
        """End what is open, each request with an error of its endpoint's shape."""
        log.warning("requests are cut", open_requests=self._conditions.open_requests)
        self._conditions.cut(shutting_down())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._conditions.wait_until_idle()
