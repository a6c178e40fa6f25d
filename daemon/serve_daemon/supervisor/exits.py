"""What the end of a process means, in words that a person can act on. Pure."""

import signal

from msgspec import Struct, structs

from serve_daemon.wire.messages import Failing, Reason

# Starting again changes nothing about these: somebody must act.
PERMANENT = frozenset({Reason.CONFIG, Reason.SOURCE})
# Ends of an engine's own making, maybe over what it computed; of all others somebody else was.
CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
BREAKDOWNS = frozenset({Reason.INTERNAL, Reason.DEVICE, Reason.MEMORY})


class Exit(Struct, frozen=True):
    """How one process ended."""

    returncode: int  # negative: minus the signal, as subprocess has it
    failing: Failing | None = None  # its own last words
    verdict: str = ""  # why the supervisor killed it
    out_of_memory: bool = False  # the kernel's OOM killer was at work meanwhile
    was_made_to: bool = False  # told to leave by us, or kept from working by somebody's signal


class Explanation(Struct, frozen=True):
    message: str
    is_permanent: bool
    is_own_making: bool = False


def explain(ended: Exit) -> Explanation:
    """Why the process ended, the surest knowledge first."""
    explanation = _explain(ended)
    if ended.was_made_to:
        return structs.replace(explanation, is_own_making=False)
    return explanation


def _explain(ended: Exit) -> Explanation:
    if ended.verdict:
        return Explanation(ended.verdict, is_permanent=False, is_own_making=True)
    if ended.failing is not None:
        reason, message = ended.failing.reason, ended.failing.message
        is_own_making = reason in BREAKDOWNS
        return Explanation(f"{reason}: {message}", reason in PERMANENT, is_own_making)
    crashed = ended.returncode > 0 or -ended.returncode in CRASHES or ended.out_of_memory
    return Explanation(_by_status(ended), is_permanent=False, is_own_making=crashed)


def _by_status(ended: Exit) -> str:
    if ended.returncode >= 0:
        return f"exited with status {ended.returncode}"
    number = -ended.returncode
    name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
    if ended.out_of_memory:
        return f"{Reason.MEMORY}: killed by the kernel; lower max_requests or kv_cache_memory"
    return f"killed by {name}"
