"""What several units that run the same thing are together. Pure."""

from collections.abc import Sequence

from serve_daemon.supervisor.states import State

RESTING = frozenset({State.STOPPED, State.DRAINING, State.STOPPING})

# The first of these that any of them is in: one that serves is enough to serve.
_PRECEDENCE = (
    State.READY,
    State.STARTING,
    State.BACKOFF,
    State.ASLEEP,
    State.FAILED,
    State.DRAINING,
    State.STOPPING,
    State.STOPPED,
)


def together(states: Sequence[State]) -> State:
    """The state of the whole, of at least one."""
    return min(states, key=_PRECEDENCE.index)


def combined(outcomes: Sequence[str | None]) -> str | None:
    """The outcome of the whole: the first failure, else None while one isn't decided, else ""."""
    failures = [each for each in outcomes if each]
    if failures:
        return failures[0]
    return None if None in outcomes else ""
