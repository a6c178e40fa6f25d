"""The daemon: start, serve until told to leave, drain, stop."""

import asyncio
import contextlib
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

import serve_daemon
from serve_daemon.config.load import Loaded, Sources, load
from serve_daemon.config.problems import ConfigError
from serve_daemon.control.server import ControlServer, bind
from serve_daemon.supervisor.announce import Announcer
from serve_daemon.supervisor.claim import claim
from serve_daemon.supervisor.delegation import take_over
from serve_daemon.supervisor.events import Events
from serve_daemon.supervisor.group import Group
from serve_daemon.supervisor.history import History
from serve_daemon.supervisor.ledger import Ledger
from serve_daemon.supervisor.logs import Log
from serve_daemon.supervisor.manager import Manager
from serve_daemon.supervisor.methods import Methods
from serve_daemon.supervisor.notify import Notifier
from serve_daemon.supervisor.programs import Directories
from serve_daemon.supervisor.reload import Reloader
from serve_daemon.supervisor.settings import metrics_addresses
from serve_daemon.supervisor.sockets import ListeningSockets
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.status import own_memory
from serve_daemon.supervisor.tasks import Tasks
from serve_daemon.supervisor.watch import changes

TICK_SECONDS = 1.0
PAUSE_SECONDS = 1.0  # so much later than it wanted, the daemon itself has not been running
# What systemd is asked for while a reload, or a stop, takes its time.
EXTENSION_SECONDS = 30.0


class Options(Struct, frozen=True):
    sources: Sources
    directories: Directories
    control_socket: Path  # where [control] socket says nothing


class Daemon:
    def __init__(
        self, options: Options, log: Log, notifier: Notifier, sockets: ListeningSockets
    ) -> None:
        self._options = options
        self._log = log
        self._notifier = notifier
        self._sockets = sockets
        self._started = time.time()
        self._state = "starting"
        self._exit_status = 0
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._leave = asyncio.Event()
        self._is_patient = True  # until it is told to leave a second time
        self._tasks = Tasks(self._fail)

    async def run(self) -> int:
        """Serve until told to leave. Returns the exit status.

        Raises `ConfigError`, `ListenError`, `SocketTaken` or `AlreadyRunning` where it can't start.
        """
        await self._start()
        await self._serve()
        await self._stop()
        return self._exit_status

    # ------------------------------------------------------------ start

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._signals.put_nowait, number)
        self._lock = claim(self._options.directories)
        loaded = load(self._options.sources)
        self._log.set_level(loaded.config.log.level)
        self._log.set_format(loaded.config.log.format)
        self._events = Events()
        self._ledger = Ledger(self._log, self._events)
        control = Path(loaded.config.control.socket or self._options.control_socket)
        directories = structs.replace(
            self._options.directories, control_socket=control, delegation=take_over()
        )
        self._manager = Manager(loaded, self._ledger, directories, self._sockets, loop)
        self._reloader = Reloader(
            self._options.sources,
            self._manager,
            self._sockets,
            self._ledger,
            History(self._options.directories.state / "history"),
        )
        self._reloader.files = loaded.files
        await self._open_control(control)
        listen, own = loaded.config.server.listen, metrics_addresses(loaded.config)
        self._sockets.open(listen, own)
        self._sockets.keep_only([*listen, *own])
        self._ledger.daemon(f"serve-daemon {serve_daemon.__version__} starts")
        self._manager.gateway.start("the daemon starts")
        generations = [self._manager.add(name, each) for name, each in loaded.models.items()]
        units = [each.unit for each in self._manager.models.values()]
        begun = list(zip(units, generations, strict=True))
        self._tasks.begin(self._remember_start(loaded, begun))

    async def _open_control(self, path: Path) -> None:
        self._control_path = path
        methods = Methods(
            manager=self._manager,
            reloader=self._reloader,
            log=self._log,
            events=self._events,
            daemon_status=self.status,
            shut_down=self._shut_down,
        )
        self._control = ControlServer(methods.handlers())
        await self._control.start(bind(path))

    # ------------------------------------------------------------ serve

    async def _serve(self) -> None:
        for work in (self._heed_signals(), self._tick(), self._announce(), self._watch()):
            self._tasks.begin(work)
        await self._leave.wait()

    def _fail(self) -> None:
        self._exit_status = 1
        self._leave.set()

    async def _heed_signals(self) -> None:
        while True:
            match await self._signals.get():
                case signal.SIGHUP:
                    self._reload("SIGHUP")
                case number:
                    self._shut_down(number.name)

    def _reload(self, trigger: str) -> None:
        if self._leave.is_set():
            return
        with contextlib.suppress(ConfigError):  # written down by the reloader, every problem
            self._reloader.begin(trigger)

    async def _tick(self) -> None:
        """Once a second: life signs of the children to us, of us to systemd."""
        interval = min(TICK_SECONDS, (self._notifier.watchdog_seconds or math.inf) / 2)
        loop = asyncio.get_running_loop()
        while True:
            self._notifier.watchdog()
            self._manager.check()
            if self._reloader.is_busy or self._leave.is_set():
                self._notifier.extend_timeout(EXTENSION_SECONDS)
            due = loop.time() + interval
            await asyncio.sleep(interval)
            if loop.time() - due > PAUSE_SECONDS:  # the machine slept, or our control group did
                for each in [each for unit in self._manager.units() for each in unit.instances()]:
                    each.excuse()

    async def _announce(self) -> None:
        """Tell systemd of each change: READY once the API accepts, then what the models do."""
        gateway = self._manager.gateway
        await self._manager.changes.wait_for(lambda: gateway.state is State.READY)
        self._state = "running"
        announcer = Announcer(self._notifier, self._manager, self._reloader, self._sockets)
        while not self._leave.is_set():
            announcer.tell()
            await announcer.next_change()

    async def _watch(self) -> None:
        main = self._options.sources.main
        if main is None:
            return
        async for seen in changes(main, self._reloader.files):
            if self._manager.config.control.watch and not self._leave.is_set():
                self._reloader.follow(seen)

    async def _remember_start(self, loaded: Loaded, begun: list[tuple[Group, int]]) -> None:
        """Once every model of the first configuration is ready, it is one that works."""
        failures = [await unit.settled(generation) for unit, generation in begun]
        if not any(failures):
            self._reloader.started(loaded)

    def _shut_down(self, reason: str) -> None:
        if not self._leave.is_set():
            self._ledger.daemon(f"{reason}: the daemon drains and stops")
            self._leave.set()
            return
        self._ledger.daemon(f"{reason} again: what is open is cut")
        self._is_patient = False
        self._stop_gateway()
        if self._manager.gateway.state is State.STOPPED:
            self._stop_engines()

    # ------------------------------------------------------------ stop

    async def _stop(self) -> None:
        self._state = "draining"
        self._notifier.stopping("draining")
        self._stop_gateway()
        if not self._notifier.is_supervised:
            self._sockets.close_all()  # else new clients would wait for nobody
        await self._manager.gateway.stopped()
        self._stop_engines()  # no sooner: what the gateway has still open needs them
        await self._manager.all_stopped()
        await self._tasks.cancel()
        await self._control.close()
        self._control_path.unlink(missing_ok=True)
        self._ledger.daemon("the daemon has stopped")

    def _stop_gateway(self) -> None:
        patience = self._manager.config.server.drain_timeout if self._is_patient else 0.0
        self._manager.stop_gateway("the daemon stops", patience)

    def _stop_engines(self) -> None:
        for unit in self._manager.units():
            (unit.stop if self._is_patient else unit.stop_now)("the daemon stops")

    def status(self) -> dict[str, Any]:
        """The `Daemon` of the control interface."""
        is_reloading = self._state == "running" and self._reloader.is_busy
        return {
            "version": serve_daemon.__version__,
            "pid": os.getpid(),
            "started": self._started,
            "state": "reloading" if is_reloading else self._state,
            "config": str(self._options.sources.main or "the embedded default"),
            "memory": own_memory(),
            "last_reload": self._reloader.last_outcome,
        }
