"""Whether a model may be put to sleep. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.unit import Unit


class Activity(Struct, frozen=True):
    """What one of a model's units is doing."""

    is_settled: bool  # it serves, and nothing of it comes or leaves
    idle_seconds: float  # since its last sequence ended; 0 while it works


def activity(unit: Unit) -> Activity:
    is_settled = unit.state is State.READY and unit.instances() == [unit.serving]
    beat = unit.serving.heartbeat if unit.serving is not None else None
    return Activity(is_settled, getattr(beat, "idle_seconds", 0.0))


def may_sleep(activities: Sequence[Activity], timeout_seconds: float) -> bool:
    """Whether every unit has been idle for the timeout; 0 is never."""
    if not timeout_seconds or not activities:
        return False
    return all(each.is_settled and each.idle_seconds >= timeout_seconds for each in activities)
