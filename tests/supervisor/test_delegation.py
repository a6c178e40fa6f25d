"""What becomes of the part of the tree that the service manager has left to the daemon."""

import errno
import os
from pathlib import Path

import pytest

from fakes.control_groups import FakeTree
from serve_daemon.supervisor.control_groups import Resources
from serve_daemon.supervisor.delegation import NO_DELEGATION, ControlGroup, take_over


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTree:
    return FakeTree(tmp_path, monkeypatch)


def made(tree: FakeTree, name: str = "engine-m-e1") -> ControlGroup:
    group = take_over(tree.root).make(name)
    assert group is not None
    return group


@pytest.mark.parametrize("below", ["", "/supervisor"])
def test_the_daemon_moves_out_of_the_way(tree: FakeTree, below: str) -> None:
    """Before it passes the controllers on; DelegateSubgroup= may have put it there already."""
    tree.put_daemon(below)
    delegation = take_over(tree.root)
    assert tree.written == [
        ("supervisor/cgroup.procs", str(os.getpid())),
        ("cgroup.subtree_control", "+cpu +memory"),
    ]
    assert delegation.controllers == {"cpu", "memory"}
    assert delegation.why_not == ""


def test_what_an_earlier_daemon_left_behind_is_removed(tree: FakeTree) -> None:
    """It was killed, and had no time for that."""
    (tree.unit / "engine-m-e1").mkdir()
    take_over(tree.root)
    assert tree.groups() == {"supervisor"}


@pytest.mark.parametrize(
    ("refused", "why_not"),
    [
        ({"cgroup.procs": errno.EROFS}, "supervisor/cgroup.procs: Read-only file system"),
        ({"cgroup.subtree_control": errno.EBUSY}, "cgroup.subtree_control: Device or resource"),
    ],
)
def test_what_the_kernel_refuses_is_said(
    tree: FakeTree, refused: dict[str, int], why_not: str
) -> None:
    """The daemon works all the same, without groups."""
    tree.refused = refused
    delegation = take_over(tree.root)
    assert why_not in delegation.why_not
    assert delegation.make("engine-m-e1") is None


def test_a_group_that_is_not_ours_is_left_alone(tree: FakeTree) -> None:
    """That of a shell, or of a unit without Delegate=, is somebody else's to divide."""
    tree.is_delegated = False
    delegation = take_over(tree.root)
    assert "Delegate=" in delegation.why_not
    assert delegation.make("engine-m-e1") is None
    assert (tree.written, tree.groups()) == ([], set())


def test_groups_are_made_also_where_nothing_can_be_bounded(tree: FakeTree) -> None:
    """Where version 1 has the controllers: they still say whose processes those are."""
    tree.controllers("hugetlb")
    delegation = take_over(tree.root)
    assert delegation.why_not == "cgroup2 has no cpu nor memory controller for the service"
    group = delegation.make("engine-m-e1")
    assert group is not None
    group.limit(Resources(memory_max=1, cpu_weight=1))
    group.put(77)
    assert tree.values("engine-m-e1") == {"cgroup.procs": "77"}
    assert not group.counts_kills


def test_a_limit_is_written_once(tree: FakeTree) -> None:
    """And again where it is another one; swap only where the kernel counts that."""
    group = made(tree)
    group.limit(Resources(memory_max=4096))
    group.limit(Resources(memory_max=4096))
    written = [text for file, text in tree.written if file == "engine-m-e1/memory.max"]
    assert written == ["4096"]
    assert "memory.swap.max" not in tree.values("engine-m-e1")
    group.limit(Resources(cpu_weight=7))
    assert tree.values("engine-m-e1")["memory.max"] == "max"
    assert tree.values("engine-m-e1")["cpu.weight"] == "7"


def test_kills_are_those_since_it_was_made(tree: FakeTree) -> None:
    """Of this group alone, and by its own limit only where the kernel says so."""
    (tree.unit / "engine-m-e1").mkdir()
    events = tree.unit / "engine-m-e1/memory.events"
    events.write_text("low 0\nhigh 0\nmax 0\noom 0\noom_kill 2\n")
    group = made(tree)
    group.limit(Resources(memory_max=4096))
    assert (group.kills(), group.exceeded()) == (0, 0)
    events.write_text("low 0\nhigh 0\nmax 0\noom 0\noom_kill 3\n")
    assert (group.kills(), group.exceeded()) == (1, 0)
    events.write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 4\n")
    assert (group.kills(), group.exceeded()) == (2, 4096)


def test_a_group_is_removed_once_its_last_process_has_ended(tree: FakeTree) -> None:
    """Which is killed; a directory that the kernel still needs is tried again later."""
    delegation = take_over(tree.root)
    group = delegation.make("engine-m-e1")
    assert group is not None
    process = group.path / "still-there"
    process.touch()
    group.remove()
    assert tree.values("engine-m-e1")["cgroup.kill"] == "1"
    assert "engine-m-e1" in tree.groups()
    process.unlink()
    delegation.sweep()
    assert tree.groups() == {"supervisor"}


def test_without_a_tree_nothing_is_made() -> None:
    """As in most tests."""
    assert NO_DELEGATION.make("engine-m-e1") is None
    assert NO_DELEGATION.controllers == frozenset()
