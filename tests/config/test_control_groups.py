"""Where a process is in the tree of control groups."""

from pathlib import Path

import pytest

from serve_daemon.config.control_groups import (
    NoControlGroup,
    controllers_of,
    machine_controllers,
    own_group,
)

MOUNT = "{number} 1 0:38 {shown} {mounted} rw,relatime shared:9 - {kind} {kind} rw"
UNIFIED = [("/", "/sys/fs/cgroup", "cgroup2")]
HYBRID = [("/", "/sys/fs/cgroup/memory", "cgroup"), ("/", "/sys/fs/cgroup/unified", "cgroup2")]
# Of a container that shows the host's tree as well, from outside its namespace.
NESTED = [("/..", "/sys/fs/cgroup/unified", "cgroup2"), ("/", "/sys/fs/cgroup", "cgroup2")]


def machine(root: Path, mounts: list[tuple[str, str, str]], own: str) -> Path:
    directory = root / "proc/self"
    directory.mkdir(parents=True)
    (directory / "cgroup").write_text(f"4:memory:/elsewhere\n{own}\n")
    lines = [
        MOUNT.format(number=number, shown=shown, mounted=mounted, kind=kind)
        for number, (shown, mounted, kind) in enumerate(mounts)
    ]
    (directory / "mountinfo").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    ("mounts", "own", "expected"),
    [
        (UNIFIED, "0::/system.slice/a.service", "sys/fs/cgroup/system.slice/a.service"),
        (UNIFIED, "0::/", "sys/fs/cgroup"),
        (HYBRID, "0::/a.service", "sys/fs/cgroup/unified/a.service"),
        (NESTED, "0::/a.service", "sys/fs/cgroup/a.service"),
        ([("/box", "/sys/fs/cgroup", "cgroup2")], "0::/box/a", "sys/fs/cgroup/a"),
    ],
)
def test_a_group_is_a_directory(
    tmp_path: Path, mounts: list[tuple[str, str, str]], own: str, expected: str
) -> None:
    """Below the mount that shows it."""
    assert own_group(machine(tmp_path, mounts, own)) == tmp_path / expected


@pytest.mark.parametrize(
    ("mounts", "own", "why"),
    [
        (UNIFIED, "1:name=systemd:/", "the kernel has no cgroup2"),
        (HYBRID[:1], "0::/a", "cgroup2 is not mounted"),
        ([("/box", "/sys/fs/cgroup", "cgroup2")], "0::/outside", "cgroup2 is not mounted"),
    ],
)
def test_where_there_is_none_that_is_said(
    tmp_path: Path, mounts: list[tuple[str, str, str]], own: str, why: str
) -> None:
    """In words that can stand behind a comma."""
    with pytest.raises(NoControlGroup, match=why):
        own_group(machine(tmp_path, mounts, own))


def test_the_machines_controllers_are_those_at_the_top(tmp_path: Path) -> None:
    """What version 1 has taken is not among them."""
    machine(tmp_path, UNIFIED, "0::/a.service")
    with pytest.raises(NoControlGroup, match="No such file"):
        machine_controllers(tmp_path)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.controllers").write_text("cpu memory pids\n")
    assert machine_controllers(tmp_path) == {"cpu", "memory", "pids"}
    assert controllers_of(tmp_path / "sys/fs/cgroup") == {"cpu", "memory", "pids"}
