"""A tree of control groups without a kernel: directories, and what is written into their files."""

import errno
import os
from pathlib import Path

import pytest

from serve_daemon.supervisor import delegation

UNIT = "sys/fs/cgroup/system.slice/serve-daemon.service"


class FakeTree:
    """Of a machine below `root`, with the daemon in its unit's group, or one below that."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.unit = root / UNIT
        self.unit.mkdir(parents=True)
        self.written: list[tuple[str, str]] = []  # the file, below the unit's group
        self.refused: dict[str, int] = {}  # an errno, by the name of a file
        self.is_delegated = True
        monkeypatch.setattr(delegation, "_write", self._write)
        monkeypatch.setattr(os, "getxattr", self._getxattr)
        self.controllers("cpu memory pids")
        self.put_daemon("")

    def controllers(self, names: str) -> None:
        (self.unit / "cgroup.controllers").write_text(f"{names}\n")

    def put_daemon(self, below: str) -> None:
        directory = self.root / "proc/self"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup").write_text(f"0::/system.slice/serve-daemon.service{below}\n")
        mount = "30 1 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
        (directory / "mountinfo").write_text(mount)

    def groups(self) -> set[str]:
        return {each.name for each in self.unit.iterdir() if each.is_dir()}

    def values(self, group: str) -> dict[str, str]:
        """What the files of a group hold by now."""
        files = [(file.partition("/"), text) for file, text in self.written]
        return {name: text for (directory, _, name), text in files if directory == group}

    def _write(self, file: Path, text: str) -> None:
        if number := self.refused.get(file.name):
            raise OSError(number, os.strerror(number), str(file))
        if not file.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(file))
        self.written.append((str(file.relative_to(self.unit)), text))

    def _getxattr(self, path: Path, name: str) -> bytes:
        if self.is_delegated and path == self.unit and name == delegation.DELEGATED:
            return b"1"
        raise OSError(errno.ENODATA, "No data available", str(path))
