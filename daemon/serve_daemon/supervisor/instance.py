"""One process from start to exit: its phase, its signs of life, and how it is made to leave.

It decides nothing about what comes after it; its `Owner` does.
"""

import asyncio
import signal
from collections.abc import Callable
from enum import StrEnum, auto
from typing import Any, Protocol

from msgspec import Struct

from serve_daemon.supervisor.delegation import ControlGroup
from serve_daemon.supervisor.exits import Exit, Result, Verdict
from serve_daemon.supervisor.liveness import Signs, hang, is_stopped
from serve_daemon.supervisor.memory import count_oom_kills
from serve_daemon.supervisor.pace import Pace
from serve_daemon.wire.messages import EngineHeartbeat, EngineReady, Failing, Progress
from serve_daemon.wire.routing import GatewayHeartbeat, GatewayReady

TERMINATE_SECONDS = 5.0  # between SIGTERM and SIGKILL


class Phase(StrEnum):
    STARTING = auto()
    READY = auto()
    DRAINING = auto()
    STOPPING = auto()
    GONE = auto()


class Clock(Protocol):
    """The event loop's time, so that tests may have another."""

    def time(self) -> float: ...
    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any
    ) -> asyncio.TimerHandle: ...


class Process(Protocol):
    pid: int

    def send(self, message: object) -> None: ...
    def signal(self, number: signal.Signals) -> None: ...


class Owner(Protocol):
    """Who is told what becomes of an instance."""

    def on_ready(self, instance: "Instance") -> None: ...
    def on_exit(self, instance: "Instance", ended: Exit) -> None: ...


class Limits(Struct, frozen=True):
    start_seconds: float
    hang_seconds: float
    drain_seconds: float


class Instance:
    """One process of a unit. `process` is set by whoever spawned it, before anything happens."""

    process: Process

    def __init__(
        self, identity: str, spec: Any, generation: int, *, owner: Owner, clock: Clock
    ) -> None:
        self.identity = identity
        self.spec = spec
        self.generation = generation
        self.phase = Phase.STARTING
        self.ended: Exit | None = None
        self.ready: EngineReady | GatewayReady | None = None
        self.heartbeat: EngineHeartbeat | GatewayHeartbeat | None = None
        self.progress: Progress | None = None
        self.pace = Pace()
        self.group: ControlGroup | None = None  # its own, where it has one
        self.started_at = clock.time()
        self._owner = owner
        self._clock = clock
        self._heard_at = clock.time()
        self._judged_from = clock.time()
        self._failing: Failing | None = None
        self._verdict: Verdict | None = None
        self._was_terminated = False
        self._timer: asyncio.TimerHandle | None = None
        self._oom_kills = count_oom_kills()

    @property
    def pid(self) -> int:
        return self.process.pid

    # ------------------------------------------------------------ what it says

    def on_message(self, message: Any) -> None:
        self._heard_at = self._clock.time()
        match message:
            case EngineReady() | GatewayReady() if self.phase is Phase.STARTING:
                self.ready = message
                self._enter(Phase.READY)
                self._owner.on_ready(self)
            case EngineHeartbeat() | GatewayHeartbeat():
                self.heartbeat = message
                self.pace.note(self._heard_at, getattr(message, "generated_tokens", 0))
            case Progress():
                self._advance(message)
            case Failing():
                self._failing = message
            case _:
                pass  # ready too late, while it leaves, or not for us: a sign of life all the same

    def on_exit(self, returncode: int) -> None:
        was_draining = self.phase is Phase.DRAINING
        self._enter(Phase.GONE)
        self.ended = Exit(
            returncode,
            self._failing,
            self._verdict,
            is_oom_kill=returncode == -signal.SIGKILL and self._was_oom_killed(),
            memory_max=self.group.exceeded() if self.group else 0,
            was_terminated=self._was_terminated,
            was_draining=was_draining,
        )
        if self.group is not None:
            self.group.remove()
        self._owner.on_exit(self, self.ended)

    def _was_oom_killed(self) -> bool:
        """Sure where the kernel counts for it alone; else by what it counts for all of us."""
        if self.group is not None and self.group.counts_kills:
            return self.group.kills() > 0
        return count_oom_kills() > self._oom_kills

    def _advance(self, progress: Progress) -> None:
        advanced = self.progress is None or progress.done != self.progress.done
        self.progress = progress
        if advanced and self._timer is not None and self.phase is Phase.STARTING:
            self._limit(self._start_seconds, self._time_out_start)

    # ------------------------------------------------------------ what is done to it

    def watch_start(self, seconds: float) -> None:
        """Kill it where it isn't ready in time; progress of a download counts anew."""
        self._start_seconds = seconds
        self._limit(seconds, self._time_out_start)

    def drain(self, message: object, seconds: float) -> None:
        """Let it finish what it has, and leave by itself, within `seconds`; the last word holds."""
        if self.phase in (Phase.STARTING, Phase.READY, Phase.DRAINING):
            self._enter(Phase.DRAINING)
            self.process.send(message)
            self._limit(seconds, self.terminate)

    def terminate(self) -> None:
        """Make it leave now; what it has is lost."""
        if self.phase not in (Phase.STOPPING, Phase.GONE):
            self._was_terminated = True
            self._enter(Phase.STOPPING)
            self.process.signal(signal.SIGTERM)
            self._limit(TERMINATE_SECONDS, self.process.signal, signal.SIGKILL)

    def check(self, hang_seconds: float) -> None:
        """Kill it where it no longer answers, or answers but no longer works."""
        if self.phase in (Phase.STOPPING, Phase.GONE):
            return
        now = self._clock.time()
        judged = now - self._judged_from
        stalled = getattr(self.heartbeat, "stalled_seconds", 0.0)
        signs = Signs(min(now - self._heard_at, judged), min(stalled, judged))
        if message := hang(signs, hang_seconds):
            if is_stopped(self.pid):
                self._kill(Result.SUSPENDED, f"{message}, stopped by a signal")
            else:
                self._kill(Result.HANG, message)

    def excuse(self) -> None:
        """Hold no silence until now against it: we were not running, and perhaps nor was it."""
        self._judged_from = self._clock.time()

    def _time_out_start(self) -> None:
        self._kill(Result.TIMEOUT, f"not ready within {self._start_seconds:.0f} s")

    def _kill(self, result: Result, message: str) -> None:
        self._verdict = Verdict(result, message)
        self._enter(Phase.STOPPING)
        self.process.signal(signal.SIGKILL)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _limit(self, seconds: float, action: Callable[..., object], *args: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_later(seconds, action, *args)
