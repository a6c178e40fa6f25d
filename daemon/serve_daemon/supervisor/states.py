"""The life of one model: every state, every event, every legal step.

Nothing here waits, spawns or logs; `unit.py` gives the steps their effects. A replacement that
starts beside the serving engine is not seen here until it takes over: the model stays READY.
"""

from enum import StrEnum, auto


class State(StrEnum):
    STOPPED = auto()  # nobody wants it to run
    ASLEEP = auto()  # it starts as soon as a request wants it
    STARTING = auto()  # an engine loads
    READY = auto()  # an engine serves
    DRAINING = auto()  # no new requests; the open ones are finished
    STOPPING = auto()  # the engine was told to exit
    BACKOFF = auto()  # it crashed; a restart waits for its time
    FAILED = auto()  # it crashed too often, or it can't work; somebody must act


class Event(StrEnum):
    START = auto()
    SLEEP = auto()  # have no engine until somebody wants one
    READY = auto()
    DRAIN = auto()  # leave when the open requests are done
    STOP = auto()  # leave now
    EXITED = auto()  # all of its processes have ended, as they were told to
    CRASHED = auto()  # it ended without being told to, or had to be killed
    RETRY = auto()
    GIVE_UP = auto()
    MAKE_ROOM = auto()  # the serving engine leaves before its successor loads: wait for that one
    FALL_BACK = auto()  # the serving engine crashed while its successor loads: wait for that one


STEPS: dict[State, dict[Event, State]] = {
    State.STOPPED: {
        Event.START: State.STARTING,
        Event.SLEEP: State.ASLEEP,
    },
    State.ASLEEP: {
        Event.START: State.STARTING,
        Event.DRAIN: State.STOPPED,
    },
    State.STARTING: {
        Event.READY: State.READY,
        Event.CRASHED: State.BACKOFF,
        Event.GIVE_UP: State.FAILED,
        Event.DRAIN: State.STOPPING,  # it has no requests yet
    },
    State.READY: {
        Event.DRAIN: State.DRAINING,
        Event.SLEEP: State.ASLEEP,
        Event.CRASHED: State.BACKOFF,
        Event.FALL_BACK: State.STARTING,
        Event.MAKE_ROOM: State.STARTING,
        Event.GIVE_UP: State.FAILED,
    },
    State.DRAINING: {
        Event.EXITED: State.STOPPED,
        Event.STOP: State.STOPPING,
        Event.START: State.STARTING,  # a new engine beside the one that leaves
    },
    State.STOPPING: {
        Event.EXITED: State.STOPPED,
        Event.START: State.STARTING,
    },
    State.BACKOFF: {
        Event.RETRY: State.STARTING,
        Event.START: State.STARTING,
        Event.DRAIN: State.STOPPED,
    },
    State.FAILED: {
        Event.START: State.STARTING,
        Event.DRAIN: State.STOPPED,
    },
}

WILL_SERVE = frozenset({State.ASLEEP, State.STARTING, State.READY, State.BACKOFF})


class IllegalStep(Exception):  # noqa: N818 - it names what happened
    """A bug in the supervisor: an event that the state has no answer to."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event} is not expected while {state}")


def step(state: State, event: Event) -> State:
    """The state that `event` leads to.

    Raises `IllegalStep` where the table has none.
    """
    try:
        return STEPS[state][event]
    except KeyError:
        raise IllegalStep(state, event) from None
