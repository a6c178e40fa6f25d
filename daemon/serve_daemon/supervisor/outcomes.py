"""What became of a generation of a unit, by the unit's state. Pure."""

from typing import TYPE_CHECKING

from serve_daemon.supervisor.states import State

if TYPE_CHECKING:
    from serve_daemon.supervisor.unit import Unit


def outcome(unit: "Unit", generation: int) -> str | None:
    """None: not decided yet; "": it serves, or will once the unit wakes; else why not."""
    if unit.state is State.FAILED:
        return unit.reason
    if unit.state in (State.STOPPED, State.DRAINING, State.STOPPING):
        return "stopped meanwhile"
    if generation != unit.generation:
        return "superseded by a later change"
    if unit.state is State.ASLEEP:
        return ""
    return "" if unit.serving and unit.serving.generation == generation else None
