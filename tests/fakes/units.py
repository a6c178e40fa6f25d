"""A unit in a world of its own: a clock that stands still, processes that are only written down."""

import asyncio
import heapq
import itertools
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from serve_daemon.supervisor.instance import Instance, Limits, Phase
from serve_daemon.supervisor.ports import EndlessRoom, Ports, Room, Supervised, UnitSettings
from serve_daemon.supervisor.restarts import RestartPolicy
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.unit import Unit
from serve_daemon.wire.messages import Drain, EngineHeartbeat, EngineReady, Failing, Reason

LIMITS = Limits(start_seconds=100.0, hang_seconds=20.0, drain_seconds=10.0)
RESTARTS = RestartPolicy(delay_seconds=1.0, delay_max_seconds=6.0, limit=5, interval_seconds=300.0)
SETTINGS = UnitSettings(LIMITS, RESTARTS)


def engine_ready() -> EngineReady:
    return EngineReady(
        artefacts="",
        max_context=64,
        max_requests=2,
        vocabulary=256,
        eos_tokens=[0],
        device="cpu",
        dtype="float32",
        attn_implementation="fake",
        weights_bytes=1,
        kv_cache_bytes=1,
    )


def heartbeat(stalled_seconds: float = 0.0) -> EngineHeartbeat:
    return EngineHeartbeat(
        running=0, waiting=0, steps=0, generated_tokens=0, stalled_seconds=stalled_seconds
    )


class _NoLoop:
    """All that a timer handle asks of its loop."""

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...


class FakeClock:
    """Time passes where a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Callable[[], object]]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any
    ) -> asyncio.TimerHandle:
        when = self.now + delay
        loop = cast("asyncio.AbstractEventLoop", _NoLoop())
        handle = asyncio.TimerHandle(when, callback, args, loop)
        entry = (when, next(self._order), handle, lambda: callback(*args))
        heapq.heappush(self._timers, entry)
        return handle

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due happens at its time, in its order."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, handle, call = heapq.heappop(self._timers)
            if not handle.cancelled():
                self.now = when
                call()
        self.now = end


class FakeProcess:
    """Does nothing by itself, and remembers what was done to it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.sent: list[object] = []
        self.signals: list[signal.Signals] = []

    def send(self, message: object) -> None:
        self.sent.append(message)

    def signal(self, number: signal.Signals) -> None:
        self.signals.append(number)


class FakeProgram:
    """Spawns fake processes; releases an instance by having it drain at once."""

    def __init__(self) -> None:
        self.spawned: list[Instance] = []
        self.broken: set[Any] = set()  # the specs that can't be spawned
        self.on_release: Callable[[], object] = lambda: None

    def identify(self) -> str:
        return f"e{len(self.spawned) + 1}"

    def spawn(self, instance: Instance) -> None:
        if instance.spec in self.broken:
            raise FileNotFoundError(2, "No such file or directory", str(instance.spec))
        instance.process = FakeProcess(1000 + len(self.spawned))
        self.spawned.append(instance)

    def release(self, instance: Instance, limits: Limits) -> None:
        self.on_release()
        instance.drain(Drain(), limits.drain_seconds)


@dataclass
class FakeJournal:
    states: list[State] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def moved(self, unit: Supervised, _old: State, reason: str) -> None:
        self.states.append(unit.state)
        self.reasons.append(reason)

    def noted(self, _unit: Supervised, message: str, reason: str = "") -> None:
        self.notes.append(f"{message}: {reason}" if reason else message)


class World:
    """A unit that runs spec "A", and the hands to let its processes do things."""

    def __init__(
        self,
        settings: UnitSettings = SETTINGS,
        *,
        spec: str = "A",
        room: Room | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        self.program = FakeProgram()
        self.journal = FakeJournal()
        ports = Ports(self.program, self.journal, cast("Any", self.clock), room or EndlessRoom())
        self.unit = Unit("m", spec, settings, ports)

    def state(self) -> State:
        return self.unit.state

    @property
    def newest(self) -> Instance:
        return self.program.spawned[-1]

    @property
    def present(self) -> list[Instance]:
        return [each for each in self.program.spawned if each.phase is not Phase.GONE]

    def specs(self) -> list[Any]:
        """What has been spawned, in order."""
        return [each.spec for each in self.program.spawned]

    def started(self) -> Instance:
        """Start the unit and let its process become ready."""
        self.unit.start("test")
        return self.ready()

    def ready(self) -> Instance:
        """The newest process says that it is ready."""
        return self.ready_is(self.newest)

    def ready_is(self, instance: Instance) -> Instance:
        instance.on_message(engine_ready())
        return instance

    def fail(self, reason: Reason, message: str = "as told") -> None:
        """The newest process says why it can't go on, and exits."""
        self.newest.on_message(Failing(reason, message))
        self.newest.on_exit(1)


def signals_of(instance: Instance) -> list[signal.Signals]:
    return cast("FakeProcess", instance.process).signals


def sent_to(instance: Instance) -> list[object]:
    return cast("FakeProcess", instance.process).sent
