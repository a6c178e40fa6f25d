"""What the control groups of the daemon's processes are called and held to. Pure.

The service's part of the tree is this: a group `supervisor` with the daemon itself, as one that has
groups below it may hold no process, and one beside it for each child.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum

from msgspec import Struct

from serve_daemon.config.tuning import Model

SUPERVISOR = "supervisor"
CONTROLLERS = ("cpu", "memory")
DEFAULT_CPU_WEIGHT = 100
LONGEST_NAME = 50  # characters of a model's name, so that all fits into the 255 bytes of a file's

_OOM_SCORE_STEP = 100
_HIGHEST_OOM_SCORE = 1000


class Rank(IntEnum):
    """In which order programs are killed where the machine has no memory left, the last one first.

    What a child costs: clients of an engine go on with its successor, those of a gateway don't.
    """

    SUPERVISOR = 0
    GATEWAY = 1
    ENGINE = 2


_LEAST_OOM_SCORE = {Rank.GATEWAY: 0, Rank.ENGINE: 200}


class Resources(Struct, frozen=True):
    """What one engine may take."""

    memory_max: int = 0  # bytes; 0: what there is
    cpu_weight: int = DEFAULT_CPU_WEIGHT


def resources(model: Model) -> Resources:
    """What the file says of each engine of a model."""
    return Resources(int(model.memory_max), model.cpu_weight)


def group_name(identity: str, model: str = "") -> str:
    """The group of an engine, or of a gateway where there is no model.

    It begins like nothing that the kernel puts into a group's directory.
    """
    if not model:
        return f"gateway-{identity}"
    plain = "".join(each if each.isalnum() or each in "._-+@:" else "_" for each in model)
    return f"engine-{plain[:LONGEST_NAME]}-{identity}"


def limits(wanted: Resources, controllers: Iterable[str]) -> dict[str, str]:
    """What is to be written into which files of a group that has these controllers.

    What exceeds its memory is killed whole, with what it has started, rather than swapped out: an
    engine that waits for a disk is of no use.
    """
    files = {}
    if "memory" in controllers:
        is_bounded = bool(wanted.memory_max)
        files["memory.oom.group"] = "1"
        files["memory.swap.max"] = "0" if is_bounded else "max"
        files["memory.max"] = str(wanted.memory_max) if is_bounded else "max"
    if "cpu" in controllers:
        files["cpu.weight"] = str(wanted.cpu_weight)
    return files


def without_effect(wanted: Resources, controllers: Iterable[str]) -> list[str]:
    """The keys that ask for something which groups with these controllers can't give."""
    keys = []
    if wanted.memory_max and "memory" not in controllers:
        keys.append("memory_max")
    if wanted.cpu_weight != DEFAULT_CPU_WEIGHT and "cpu" not in controllers:
        keys.append("cpu_weight")
    return keys


def oom_score(own: int, rank: Rank) -> int:
    """The oom_score_adj of a child of a daemon with `own`: never lower, which takes a privilege."""
    return min(max(own + rank * _OOM_SCORE_STEP, _LEAST_OOM_SCORE[rank]), _HIGHEST_OOM_SCORE)


class Kills(Struct, frozen=True):
    """What the kernel's OOM killer has done in a group."""

    count: int = 0  # of processes, for whatever want of memory
    is_own_limit: bool = False  # the group's own limit was hit, no outer one nor the machine's


def kills(events: Mapping[str, int]) -> Kills:
    """By a group's memory.events."""
    return Kills(events.get("oom_kill", 0), events.get("oom", 0) > 0)
