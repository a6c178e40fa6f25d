"""The two programs that units run, engine and gateway: how each is started and made to leave."""

import itertools
import math
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, structs

from serve_daemon.config.certificate import Tls
from serve_daemon.supervisor.delegation import NO_DELEGATION, Delegation
from serve_daemon.supervisor.instance import Instance, Limits
from serve_daemon.supervisor.logs import Log
from serve_daemon.supervisor.process import Command, spawn
from serve_daemon.supervisor.sockets import ListeningSockets
from serve_daemon.wire.messages import Configure, EngineSpec, EngineToSupervisor
from serve_daemon.wire.routing import (
    ConfigureGateway,
    GatewayNews,
    GatewaySettings,
    GatewayToSupervisor,
    Routes,
    StopAccepting,
    TlsPair,
)

HEARTBEAT_SECONDS = 1.0
INSTALL_HINT = "servectl engine install makes an environment for engines"
LAST_WORDS_SECONDS = 3.0  # for a gateway that tells clients that there is no more time

_numbers = itertools.count(1)


class Directories(Struct, frozen=True):
    """What the daemon was given to put things in."""

    runtime: Path
    cache: Path
    state: Path
    control_socket: Path | None = None  # of the daemon; gateways read from it
    delegation: Delegation = NO_DELEGATION  # of control groups

    def engine_socket(self, identity: str) -> Path:
        return self.runtime / "engines" / f"{identity}.sock"


class EngineLaunch(Struct, frozen=True):
    """What only a new engine process can take up."""

    python: str
    spec: EngineSpec


class GatewaySpec(Struct, frozen=True):
    """What only a new gateway process can take up."""

    listen: tuple[str, ...]
    max_connections: int
    keep_alive_timeout: float
    metrics_path: str = ""
    metrics_listen: tuple[str, ...] = ()  # beside `listen`, for metrics alone
    installed: str = ""  # digest of the code it runs
    tls_keys: tuple[str, ...] = ()  # what [server] says of TLS,
    tls: Tls | None = None  # and the content of its files: Granian reads a certificate once

    @property
    def addresses(self) -> tuple[str, ...]:
        return (*self.listen, *self.metrics_listen)


class EngineProgram:
    """`python -m serve_daemon.engine`, listening on a socket of its own for gateways."""

    def __init__(
        self,
        log: Log,
        directories: Directories,
        *,
        threads: Callable[[str], int],
        withdraw: Callable[[Instance, Limits], None],
        ended: Callable[[Instance], None],
    ) -> None:
        self._log = log
        self._directories = directories
        self._threads = threads
        self._withdraw = withdraw
        self._ended = ended

    def identify(self) -> str:
        return f"e{next(_numbers)}"

    def spawn(self, instance: Instance) -> None:
        launch: EngineLaunch = instance.spec
        spec = launch.spec
        path = self._directories.engine_socket(instance.identity)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            path.unlink(missing_ok=True)
            listening.bind(str(path))
            listening.listen()
            command = Command(
                launch.python,
                "serve_daemon.engine",
                ["--model", spec.model],
                EngineToSupervisor,
                [listening],
            )
            bound = {"program": "engine", "model": spec.model, "engine_id": instance.identity}
            relay = _EngineRelay(instance, self._log, bound, path, self._ended)
            try:
                instance.process = spawn(command, relay)
            except FileNotFoundError as error:
                message = f"there is no {launch.python}; {INSTALL_HINT}"
                raise FileNotFoundError(message) from error
        instance.process.send(
            Configure(
                engine_id=instance.identity,
                spec=spec,
                cache_directory=str(self._directories.cache),
                threads=self._threads(spec.model),
                heartbeat_seconds=HEARTBEAT_SECONDS,
                log_level=self._log.level,
            )
        )

    def release(self, instance: Instance, limits: Limits) -> None:
        self._withdraw(instance, limits)


class Ear(Protocol):
    """Who has to know what a gateway tells, and when it is gone."""

    def hear(self, gateway: Instance, message: GatewayNews) -> None: ...
    def gateway_ended(self, gateway: Instance) -> None: ...


class GatewayProgram:
    """`python -m serve_daemon.gateway`, accepting on the daemon's listening sockets."""

    def __init__(
        self,
        log: Log,
        sockets: ListeningSockets,
        *,
        settings: Callable[[], GatewaySettings],
        routes: Callable[[], Routes],
        ear: Ear,
    ) -> None:
        self._log = log
        self._sockets = sockets
        self._settings = settings
        self._routes = routes
        self._ear = ear
        self.is_draining = False  # new work is refused, by every gateway from now on

    def identify(self) -> str:
        return f"g{next(_numbers)}"

    def spawn(self, instance: Instance) -> None:
        spec: GatewaySpec = instance.spec
        listening = list(self._sockets.open(spec.listen, spec.metrics_listen).values())
        command = Command(
            sys.executable,
            "serve_daemon.gateway",
            ["--num-metrics", str(len(spec.metrics_listen))],
            GatewayToSupervisor,
            listening,
        )
        relay = _GatewayRelay(instance, self._log, self._ear)
        instance.process = spawn(command, relay)
        instance.process.send(structs.replace(self.configuration(), tls=_pair(spec.tls)))
        instance.process.send(self._routes())

    def configuration(self) -> ConfigureGateway:
        """What every gateway can take up, whenever it changes."""
        settings = structs.replace(self._settings(), draining=self.is_draining)
        return ConfigureGateway(settings, HEARTBEAT_SECONDS, self._log.level)

    def configure(self, gateways: Iterable[Instance]) -> None:
        """Have running ones take it up."""
        for each in gateways:
            each.process.send(self.configuration())

    def release(self, instance: Instance, _limits: Limits) -> None:
        # Another one accepts, so that there is no hurry: every open request ends by itself.
        instance.drain(StopAccepting(math.inf), math.inf)

    def hurry(self, instance: Instance, seconds: float) -> None:
        """Have what leaves end within so long."""
        # Its own limit ends the open requests properly; ours is for a gateway that doesn't.
        instance.drain(StopAccepting(seconds), seconds + LAST_WORDS_SECONDS)


def _pair(tls: Tls | None) -> TlsPair | None:
    return TlsPair(tls.certificate, tls.key, tls.client_ca, tls.min_version) if tls else None


class _Relay:
    """Hands on what a process does: its lines to the log, the rest to its instance."""

    def __init__(self, instance: Instance, log: Log, bound: dict[str, str]) -> None:
        self.instance = instance
        self._log = log
        self._bound = bound

    def on_message(self, message: Any) -> None:
        self.instance.on_message(message)

    def on_line(self, line: str) -> None:
        self._log.add_line(line, self._bound)

    def on_exit(self, returncode: int) -> None:
        self.instance.on_exit(returncode)


class _EngineRelay(_Relay):
    def __init__(
        self,
        instance: Instance,
        log: Log,
        bound: dict[str, str],
        path: Path,
        ended: Callable[[Instance], None],
    ) -> None:
        super().__init__(instance, log, bound)
        self._path = path
        self._ended = ended

    def on_exit(self, returncode: int) -> None:
        self._path.unlink(missing_ok=True)
        super().on_exit(returncode)
        self._ended(self.instance)


class _GatewayRelay(_Relay):
    def __init__(self, instance: Instance, log: Log, ear: Ear) -> None:
        super().__init__(instance, log, {"program": "gateway"})
        self._ear = ear

    def on_message(self, message: Any) -> None:
        super().on_message(message)
        if isinstance(message, GatewayNews):
            self._ear.hear(self.instance, message)

    def on_exit(self, returncode: int) -> None:
        super().on_exit(returncode)
        self._ear.gateway_ended(self.instance)
