"""A manager in a world of its own: real sockets and files, processes that are only written down."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from fakes.units import FakeClock, FakeProcess, engine_ready
from serve_daemon.config.load import Loaded, Sources, load
from serve_daemon.supervisor import programs
from serve_daemon.supervisor.delegation import NO_DELEGATION, Delegation
from serve_daemon.supervisor.events import Event, Events
from serve_daemon.supervisor.history import History
from serve_daemon.supervisor.instance import Instance
from serve_daemon.supervisor.ledger import Ledger
from serve_daemon.supervisor.logs import Log
from serve_daemon.supervisor.manager import Manager
from serve_daemon.supervisor.methods import Methods
from serve_daemon.supervisor.process import Command, Listener
from serve_daemon.supervisor.programs import Directories
from serve_daemon.supervisor.reload import Reloader
from serve_daemon.supervisor.sockets import ListeningSockets
from serve_daemon.supervisor.under_way import Step
from serve_daemon.wire.messages import Failing, Reason
from serve_daemon.wire.routing import GatewayReady, Route, Routes, RoutesApplied

T = TypeVar("T")


def outcomes(steps: list[Step]) -> dict[str, tuple[str, str, str]]:
    """By subject: what was done, how it ended, and why."""
    return {each.subject: (each.action, each.outcome, each.reason) for each in steps}


@dataclass
class Spawned:
    """A process that was asked for, and the hands to let it do things."""

    command: Command
    listener: Listener
    process: FakeProcess

    @property
    def instance(self) -> Instance:
        return cast("Instance", cast("Any", self.listener).instance)

    def sent(self, kind: type[T]) -> list[T]:
        return [each for each in self.process.sent if isinstance(each, kind)]

    def ready(self) -> None:
        is_gateway = self.command.module == "serve_daemon.gateway"
        self.listener.on_message(GatewayReady() if is_gateway else engine_ready())
        if is_gateway:
            self.apply_routes()

    def apply_routes(self) -> None:
        """A gateway works by the last table that it was sent."""
        self.listener.on_message(RoutesApplied(self.sent(Routes)[-1].version))

    def fail(self, reason: Reason, message: str = "as told") -> None:
        self.listener.on_message(Failing(reason, message))
        self.listener.on_exit(1)


class Managed:
    """A manager, and what is around it in the daemon, with a file of its own."""

    def __init__(self, directory: Path, text: str, delegation: Delegation = NO_DELEGATION) -> None:
        self.file = directory / "serve.toml"
        self.file.write_text(text)
        (directory / "engines").mkdir()
        self.spawned: list[Spawned] = []
        self.cannot_spawn: Callable[[Command], bool] = lambda _command: False
        self.clock = FakeClock()
        self.log, self.events, self.sockets = Log(), Events(), ListeningSockets([])
        self.ledger = Ledger(self.log, self.events)
        self.sources = Sources(main=self.file)
        loaded = self.load()
        directories = Directories(
            directory, directory / "cache", directory / "state", delegation=delegation
        )
        self.manager = Manager(
            loaded, self.ledger, directories, self.sockets, cast("Any", self.clock)
        )
        self.reloader = Reloader(
            self.sources, self.manager, self.sockets, self.ledger, History(directories.state)
        )
        self.state = "running"
        self.methods = Methods(
            manager=self.manager,
            reloader=self.reloader,
            log=self.log,
            events=self.events,
            daemon_status=self._daemon_status,
            shut_down=lambda _reason: None,
        )

    def start(self) -> None:
        """As the daemon does: the gateway and every model, none of them ready."""
        self.manager.gateway.start("test")
        for name, settings in self.load().models.items():
            self.manager.add(name, settings)

    def started(self) -> None:
        """With all of them ready."""
        self.start()
        for each in list(self.spawned):
            each.ready()
        self.gateway.apply_routes()

    def edit(self, old: str, new: str) -> None:
        """Its file; nothing reads it yet."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def load(self) -> Loaded:
        return load(self.sources)

    def spawn(self, command: Command, listener: Listener) -> FakeProcess:
        if self.cannot_spawn(command):
            raise FileNotFoundError(2, "No such file or directory", command.python)
        spawned = Spawned(command, listener, FakeProcess(2_000_000 + len(self.spawned)))
        self.spawned.append(spawned)
        return spawned.process

    @property
    def gateway(self) -> Spawned:
        """The newest one."""
        return self.gateways()[-1]

    def gateways(self) -> list[Spawned]:
        return [each for each in self.spawned if each.command.module == "serve_daemon.gateway"]

    def engines(self, model: str) -> list[Spawned]:
        """Every engine that a model ever had, the newest last."""
        arguments = ["--model", model]
        return [each for each in self.spawned if each.command.arguments == arguments]

    def route(self, model: str) -> Route:
        """What the newest gateway was last told of a model."""
        (route,) = [each for each in self.gateway.sent(Routes)[-1].routes if each.model == model]
        return route

    def messages(self) -> list[str]:
        return [_first_line(each) for each in self.events.feed.last()]

    def _daemon_status(self) -> dict[str, Any]:
        return {
            "version": "0",
            "pid": 1,
            "started": time.time(),
            "state": self.state,
            "config": str(self.file),
            "memory": 1,
            "last_reload": self.reloader.last_outcome,
        }


def _first_line(event: Event) -> str:
    return event.message.partition("\n")[0]


def manage(
    directory: Path,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    delegation: Delegation = NO_DELEGATION,
) -> Managed:
    """A manager whose processes are fakes; the caller closes its sockets."""
    managed = Managed(directory, text, delegation)
    monkeypatch.setattr(programs, "spawn", managed.spawn)
    return managed
