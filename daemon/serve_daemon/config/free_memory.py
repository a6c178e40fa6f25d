"""How much memory a device has free, as far as the kernel or the driver lets this process have it.

Nothing here imports torch. `root` is where /proc and the mounts of cgroups are looked up.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

CUDA = "cuda"


def free_bytes(device: str, root: Path = Path("/")) -> int | None:
    """Of "cpu" or "cuda:N"; None where nobody can tell."""
    return free_host_bytes(root) if device == "cpu" else _gpu_bytes(device, "free")


def total_bytes(device: str, root: Path = Path("/")) -> int | None:
    """All that a device has, of "cpu" or "cuda:N"; None where nobody can tell."""
    return total_host_bytes(root) if device == "cpu" else _gpu_bytes(device, "total")


def free_host_bytes(root: Path = Path("/")) -> int | None:
    """What the machine can give without swapping, within the limits of our control groups.

    Files that were read and are not in use count as free: the kernel drops them for others.
    """
    available = _meminfo(root).get("MemAvailable")
    rooms = [group.room for group in _groups(root)]
    return min([*rooms, *([] if available is None else [available])], default=None)


def total_host_bytes(root: Path = Path("/")) -> int | None:
    """All that the machine has, or the least that a control group may have."""
    total = _meminfo(root).get("MemTotal")
    limits = [group.limit for group in _groups(root)]
    return min([*limits, *([] if total is None else [total])], default=None)


class _Group(Struct, frozen=True):
    """A control group with a limit, in bytes."""

    limit: int
    used: int  # what can't be dropped

    @property
    def room(self) -> int:
        return max(self.limit - self.used, 0)


class _Files(Struct, frozen=True):
    """How a version of cgroups names what it tells."""

    limit: str
    usage: str
    inactive: str  # in memory.stat: files that nobody has used for long


V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = _Files("memory.max", "memory.current", "inactive_file")


def _groups(root: Path) -> Iterator[_Group]:
    """Those that we are in and that have a limit, from the innermost outwards."""
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield from _limited(_folders(root, "cgroup2", "", path), V2)
        elif "memory" in controllers.split(","):
            yield from _limited(_folders(root, "cgroup", "memory", path), V1)


def _limited(folders: Iterator[Path], files: _Files) -> Iterator[_Group]:
    for folder in folders:
        limit, usage = _number(folder / files.limit), _number(folder / files.usage)
        if limit is not None and usage is not None:
            droppable = _table(folder / "memory.stat").get(files.inactive, 0)
            yield _Group(limit, max(usage - droppable, 0))


def _folders(root: Path, kind: str, option: str, path: str) -> Iterator[Path]:
    """The folder of the group at `path`, and those of the groups around it."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        _, _, _, shown, mounted, *_ = before.split(" ")
        found, _, options = after.split(" ", 2)
        if found != kind or (option and option not in options.split(",")):
            continue
        top = root / mounted.lstrip("/")
        inner = top / path.removeprefix(shown).lstrip("/")
        yield from (inner, *(each for each in inner.parents if each.is_relative_to(top)))
        return


def _meminfo(root: Path) -> dict[str, int]:
    kibibytes = _table(root / "proc/meminfo")
    return {name.removesuffix(":"): number * 1024 for name, number in kibibytes.items()}


def _table(file: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    words = (line.split() for line in _lines(file))
    return {each[0]: int(each[1]) for each in words if len(each) > 1 and each[1].isdigit()}


def _number(file: Path) -> int | None:
    """None where there is no such file, or where it says that there is no limit."""
    text = next(iter(_lines(file)), "")
    return int(text) if text.isdigit() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def _gpu_bytes(device: str, what: str) -> int | None:
    """Asked of the driver: torch would take memory of the GPU in order to tell."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no driver, or no NVIDIA GPU
        return None
    try:
        return int(getattr(pynvml.nvmlDeviceGetMemoryInfo(_handle(device)), what))
    except (pynvml.NVMLError, ValueError, IndexError):  # no such device
        return None
    finally:
        pynvml.nvmlShutdown()


def _handle(device: str) -> object:
    """The driver's name for what CUDA calls cuda:N, of those devices that it is let see."""
    import pynvml

    number = int(device.partition(":")[2] or 0)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    name = str(number) if visible is None else visible.split(",")[number].strip()
    if name.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)
