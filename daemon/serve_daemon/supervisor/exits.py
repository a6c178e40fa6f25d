"""What the end of a process means: its class, and words that a person can act on. Pure."""

import signal
from enum import StrEnum
from typing import Self

from msgspec import Struct, structs

from serve_daemon.supervisor.advice import size
from serve_daemon.wire.messages import Failing, Reason


class Result(StrEnum):
    """Why a process is gone, as a class; the first words are those of `wire.messages.Reason`."""

    CONFIG = Reason.CONFIG  # the file asks for what can't be
    SOURCE = Reason.SOURCE  # the weights are missing or broken
    MEMORY = Reason.MEMORY  # it said so, or the kernel killed it for want of memory
    DEVICE = Reason.DEVICE  # lost, or never there
    INTERNAL = Reason.INTERNAL  # an error that it did not expect, and told of
    CRASH = "crash"  # a signal that it raised itself
    POISON = "poison"  # in one of these ways, and over one request, which has failed alone
    EXIT_CODE = "exit-code"  # a status, and not a word
    HANG = "hang"  # killed, as it no longer answered or no longer worked
    SUSPENDED = "suspended"  # killed like that, but somebody's signal had stopped it
    TIMEOUT = "timeout"  # killed, as it was not ready in time
    ROOM = "no-room"  # it would not have fit into memory, and was not even started
    SPAWN = "spawn"  # it could not even be started
    SIGNAL = "signal"  # somebody else's signal ended it
    EXITED = "exited"  # by itself, with status 0: told to by somebody else
    STOPPED = "stopped"  # told to by the daemon


class Verdict(Struct, frozen=True):
    """Why the supervisor killed a process, or has none."""

    result: Result
    message: str


class Exit(Struct, frozen=True):
    """How one process ended."""

    returncode: int | None  # negative: minus the signal, as subprocess has it; None: it never ran
    failing: Failing | None = None  # its own last words
    verdict: Verdict | None = None
    is_oom_kill: bool = False  # the kernel's OOM killer was at work meanwhile
    memory_max: int = 0  # bytes that it was not to exceed, and did; 0: it was others' limit
    was_terminated: bool = False  # by the supervisor
    was_draining: bool = False  # it was to leave as soon as it had nothing left to do
    poison: str = ""  # the request that it ended over, where that was found out


class LastExit(Struct, frozen=True):
    """The last process of a unit that has ended."""

    identity: str
    at: float  # the clock's time
    ended: Exit

    def over(self, request_id: str) -> Self:
        """The same, since it is known which request it was over."""
        return structs.replace(self, ended=structs.replace(self.ended, poison=request_id))


class Explanation(Struct, frozen=True):
    result: Result
    message: str  # in one line what, and what to do

    @property
    def reason(self) -> str:
        """The message under its class, where it doesn't say that itself."""
        return f"{self.result}: {self.message}" if self.result in _TITLED else self.message

    @property
    def is_permanent(self) -> bool:
        """Whether starting again changes nothing: somebody must act."""
        return self.result in _PERMANENT

    @property
    def is_own_making(self) -> bool:
        """Whether it may have ended over what it computed, and not by anybody's will or a loss."""
        return self.result in _OWN_MAKING


_PERMANENT = frozenset({Result.CONFIG, Result.SOURCE, Result.ROOM})
_OWN_MAKING = frozenset(
    {
        *(Result.MEMORY, Result.INTERNAL, Result.CRASH, Result.POISON),
        *(Result.EXIT_CODE, Result.HANG, Result.TIMEOUT, Result.SPAWN),
    }
)
_TITLED = frozenset({*map(Result, Reason), Result.HANG, Result.SUSPENDED, Result.ROOM})
_RAISED = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
)


def explain(ended: Exit) -> Explanation:
    """Why the process ended, the surest knowledge first."""
    if ended.poison:
        how = explain(structs.replace(ended, poison="")).reason
        return Explanation(Result.POISON, f"request {ended.poison}, which has failed alone: {how}")
    if ended.was_terminated or (ended.was_draining and ended.returncode == 0):
        return Explanation(Result.STOPPED, _how(ended.returncode))
    if ended.verdict is not None:
        return Explanation(ended.verdict.result, ended.verdict.message)
    if ended.failing is not None:
        return Explanation(Result(ended.failing.reason), ended.failing.message)
    if ended.is_oom_kill:
        return Explanation(Result.MEMORY, _out_of_memory(ended.memory_max))
    return Explanation(_by_status(ended.returncode), _how(ended.returncode))


def signal_name(returncode: int | None) -> str | None:
    """The signal that ended a process; None where it exited by itself, or never ran."""
    if returncode is None or returncode >= 0:
        return None
    number = -returncode
    return signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"


def _by_status(returncode: int | None) -> Result:
    if returncode is not None and returncode < 0:
        return Result.CRASH if -returncode in _RAISED else Result.SIGNAL
    return Result.EXIT_CODE if returncode else Result.EXITED


def _out_of_memory(memory_max: int) -> str:
    if not memory_max:
        return "killed by the kernel; lower max_requests or kv_cache_memory"
    what = f"it took more than its memory_max of {size(memory_max)}"
    return f"{what}; raise that, or lower max_requests or kv_cache_memory"


def _how(returncode: int | None) -> str:
    name = signal_name(returncode)
    return f"killed by {name}" if name else f"exited with status {returncode}"
