"""The part of the tree of control groups that the service manager has left to the daemon.

Without one, or where it lacks a controller, processes run as they would: `why_not` says what is
missing. Writes to the kernel's files are short; none waits for a process to end.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from serve_daemon.config.control_groups import NoControlGroup, controllers_of, own_group
from serve_daemon.supervisor.control_groups import (
    CONTROLLERS,
    SUPERVISOR,
    Kills,
    Resources,
    kills,
    limits,
)

DELEGATED = "user.delegate"  # the attribute that systemd gives the directories of such groups


class ControlGroup:
    """One child's."""

    def __init__(self, path: Path, delegation: "Delegation") -> None:
        self.path = path
        self._delegation = delegation
        self._controllers = delegation.controllers
        self._before = self._kills()
        self._limited: Resources | None = None

    @property
    def counts_kills(self) -> bool:
        """Whether the kernel tells of it alone what it was short of."""
        return "memory" in self._controllers

    def put(self, pid: int) -> None:
        """Have a process, and all that it starts from now on, be in it. Raises `OSError`."""
        _write(self.path / "cgroup.procs", str(pid))

    def limit(self, wanted: Resources) -> None:
        """Hold what is in it to this from now on. Raises `OSError`."""
        if wanted == self._limited:
            return
        self._limited = wanted
        for name, value in limits(wanted, self._controllers).items():
            if name == "memory.swap.max" and not (self.path / name).exists():
                continue  # of a kernel that does not count what is swapped out
            _write(self.path / name, value)

    def kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory."""
        return self._kills().count - self._before.count

    def exceeded(self) -> int:
        """The bytes of its own limit where it hit that; 0: it did not."""
        limited = self._limited.memory_max if self._limited else 0
        return limited if self._kills().is_own_limit else 0

    def remove(self) -> None:
        """End what a child has left behind in it, and be gone; soon, where that takes a moment."""
        with contextlib.suppress(OSError):
            _write(self.path / "cgroup.kill", "1")
        self._delegation.leave(self)

    def _kills(self) -> Kills:
        try:
            lines = (self.path / "memory.events").read_text().splitlines()
        except OSError:
            return Kills()
        return kills({name: int(count) for name, count in (line.split() for line in lines)})


class Delegation:
    """Makes groups below `root`, and removes them."""

    def __init__(
        self, root: Path | None, controllers: Iterable[str] = (), why_not: str = ""
    ) -> None:
        self.controllers = frozenset(controllers)
        self.why_not = why_not
        self._root = root
        self._leaving: set[Path] = set()

    def make(self, name: str) -> ControlGroup | None:
        """A new group; None where there is nowhere to make one. Raises `OSError`."""
        if self._root is None:
            return None
        self.sweep()
        path = self._root / name
        path.mkdir(exist_ok=True)
        return ControlGroup(path, self)

    def leave(self, group: ControlGroup) -> None:
        """Of one that nothing is to be put into any more."""
        self._leaving.add(group.path)
        self.sweep()

    def sweep(self) -> None:
        """Remove those that leave, where their last process has ended by now."""
        for path in list(self._leaving):
            with contextlib.suppress(OSError):
                path.rmdir()
            if not path.exists():
                self._leaving.discard(path)


NO_DELEGATION = Delegation(None, why_not="nobody has asked for it")


def take_over(root: Path = Path("/")) -> Delegation:
    """Make the service's control group the daemon's own to divide, where it was left to it.

    The daemon itself moves out of the way, into a group of its own.
    """
    try:
        group = _delegated(root)
        _move_to(group / SUPERVISOR)
        controllers = [each for each in CONTROLLERS if each in controllers_of(group)]
        if controllers:
            _write(group / "cgroup.subtree_control", " ".join(f"+{each}" for each in controllers))
    except NoControlGroup as error:
        return Delegation(None, why_not=str(error))
    except OSError as error:
        return Delegation(None, why_not=f"{error.filename}: {error.strerror}")
    missing = [each for each in CONTROLLERS if each not in controllers]
    why_not = f"cgroup2 has no {' nor '.join(missing)} controller for the service"
    return Delegation(group, controllers, why_not if missing else "")


def _delegated(root: Path) -> Path:
    """The group that is ours: the one we are in, or the one around it (DelegateSubgroup=)."""
    own = own_group(root)
    for each in (own.parent,) if own.name == SUPERVISOR else (own,):
        with contextlib.suppress(OSError):
            if os.getxattr(each, DELEGATED) == b"1":
                return each
    raise NoControlGroup("the daemon does not run in a unit with Delegate=")


def _move_to(group: Path) -> None:
    """Leave the group above, and remove what an earlier daemon has left there."""
    group.mkdir(exist_ok=True)
    _write(group / "cgroup.procs", str(os.getpid()))
    for each in group.parent.iterdir():
        if each.is_dir() and each != group:
            with contextlib.suppress(OSError):
                each.rmdir()


def _write(file: Path, text: str) -> None:
    """As one write, which is how the kernel takes it.

    Not waiting: a kernel that knows better than to have us free the memory of others leaves that to
    them.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error
    finally:
        os.close(descriptor)
