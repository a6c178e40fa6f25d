"""Where this process is in the tree of control groups, and which of them the kernel can bound.

Only version 2 counts. `root` is where /proc and the mounts are looked up.
"""

from pathlib import Path


class NoControlGroup(Exception):  # noqa: N818 - it says what there is not
    """Why nothing can be done with control groups here."""


def own_group(root: Path = Path("/")) -> Path:
    """The directory of this process's control group. Raises `NoControlGroup`."""
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            top, below = _mounted(root, Path(line.removeprefix("0::")))
            return top / below
    raise NoControlGroup("the kernel has no cgroup2")


def machine_controllers(root: Path = Path("/")) -> frozenset[str]:
    """What groups can be bounded by. Raises `NoControlGroup`."""
    top, _ = _mounted(root, Path("/"))
    return controllers_of(top)


def controllers_of(group: Path) -> frozenset[str]:
    """What a group may pass on to those below it. Raises `NoControlGroup`."""
    try:
        return frozenset((group / "cgroup.controllers").read_text().split())
    except OSError as error:
        raise NoControlGroup(f"{group}: {error.strerror}") from error


def _mounted(root: Path, group: Path) -> tuple[Path, Path]:
    """Where the tree is mounted that shows a group, and the way from there; the newest mount."""
    for line in reversed((root / "proc/self/mountinfo").read_text().splitlines()):
        before, _, after = line.partition(" - ")
        _, _, _, shown, mounted, *_ = before.split(" ")
        if after.startswith("cgroup2 ") and group.is_relative_to(shown):
            return root / mounted.lstrip("/"), group.relative_to(shown)
    raise NoControlGroup("cgroup2 is not mounted")
