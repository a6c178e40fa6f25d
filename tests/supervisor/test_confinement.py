"""A manager's processes in control groups of their own."""

import errno
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes.control_groups import FakeTree
from fakes.managed import Managed, manage
from serve_daemon.supervisor import confinement
from serve_daemon.supervisor.delegation import take_over
from serve_daemon.supervisor.status import model_status

MODELS = '[models.m]\nsource = "/models/m"\n[models.other]\nsource = "/models/other"\n'
BOUNDED = MODELS.replace("[models.other]", 'memory_max = "1MiB"\ncpu_weight = 7\n[models.other]')


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTree:
    return FakeTree(tmp_path / "machine", monkeypatch)


@pytest.fixture
def confined(tree: FakeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a manager whose service has that tree."""
    made: list[Managed] = []

    def make(text: str) -> Managed:
        listen = '[server]\nlisten = ["127.0.0.1:0"]\n'
        made.append(manage(tmp_path, listen + text, monkeypatch, take_over(tree.root)))
        made[-1].started()
        return made[-1]

    yield make
    for each in made:
        each.sockets.close_all()


Confined = Callable[[str], Managed]


def group_of(managed: Managed, model: str) -> str:
    return f"engine-{model}-{managed.engines(model)[-1].instance.identity}"


def memory_max(managed: Managed) -> int | None:
    found: int | None = model_status(managed.manager.models["m"], managed.manager, [], 0.0)[
        "memory_max"
    ]
    return found


def test_each_process_is_put_into_its_group_under_its_limits(
    tree: FakeTree, confined: Confined
) -> None:
    """The limits first, so that it is never without."""
    managed = confined(BOUNDED)
    group = group_of(managed, "m")
    assert list(tree.values(group)) == [
        *("memory.oom.group", "memory.max", "cpu.weight", "cgroup.procs")
    ]
    assert tree.values(group)["memory.max"] == str(2**20)
    assert tree.values(group)["cgroup.procs"] == str(managed.engines("m")[-1].process.pid)
    assert tree.values(group_of(managed, "other"))["memory.max"] == "max"
    gateway = managed.gateway.instance.identity
    assert tree.values(f"gateway-{gateway}")["cgroup.procs"] == str(managed.gateway.process.pid)
    assert memory_max(managed) == 2**20


async def test_a_change_of_a_limit_reaches_what_runs(tree: FakeTree, confined: Confined) -> None:
    """By no new engine; and it is taken back in the same way."""
    managed = confined(MODELS)
    assert memory_max(managed) is None
    group = group_of(managed, "m")
    for text, expected in ((BOUNDED, (str(2**20), "7")), (MODELS, ("max", "100"))):
        managed.file.write_text('[server]\nlisten = ["127.0.0.1:0"]\n' + text)
        managed.reloader.begin("test")
        values = tree.values(group)
        assert (values["memory.max"], values["cpu.weight"]) == expected
    assert len(managed.engines("m")) == 1


def test_an_engine_that_was_killed_over_its_limit_is_out_of_memory(
    tree: FakeTree, confined: Confined
) -> None:
    """It is restarted, in another group; the first one is gone."""
    managed = confined(BOUNDED)
    group = tree.unit / group_of(managed, "m")
    (group / "memory.events").write_text("oom 1\noom_kill 1\n")
    engine = managed.engines("m")[-1]
    engine.listener.on_exit(-signal.SIGKILL)
    unit = managed.manager.models["m"].unit
    assert unit.reason == (
        "oom: it took more than its memory_max of 1.0MiB; raise that, or lower max_requests or"
        " kv_cache_memory"
    )
    (group / "memory.events").unlink()
    managed.clock.advance(1.0)
    assert len(managed.engines("m")) == 2
    assert tree.groups() >= {group_of(managed, "m")}
    assert group.name not in tree.groups()


def test_a_kill_that_its_group_does_not_count_is_somebodys_signal(confined: Confined) -> None:
    """Whatever else the kernel has killed meanwhile."""
    managed = confined(BOUNDED)
    managed.engines("m")[-1].listener.on_exit(-signal.SIGKILL)
    assert "SIGKILL" in managed.manager.models["m"].unit.reason
    assert "oom" not in managed.manager.models["m"].unit.reason


def test_a_limit_without_effect_is_said_once(tree: FakeTree, confined: Confined) -> None:
    """With the reason; the model runs, and its status has no limit."""
    tree.controllers("cpu")
    with capture_logs() as records:
        managed = confined(BOUNDED)
        managed.manager.shares.share()
    told = [each for each in records if each["event"] == "limits without effect"]
    assert [(each["model"], each["keys"]) for each in told] == [("m", ["memory_max"])]
    assert told[0]["reason"] == "cgroup2 has no memory controller for the service"
    assert memory_max(managed) is None
    assert managed.manager.models["m"].unit.state == "ready"


def test_what_the_kernel_refuses_keeps_nothing_from_running(
    tree: FakeTree, confined: Confined
) -> None:
    """A group can't be made, say: the engine runs in the daemon's."""
    tree.refused = {"memory.max": errno.EACCES}
    with capture_logs() as records:
        managed = confined(BOUNDED)
    refused = [each for each in records if each["event"] == "not in a control group of its own"]
    assert {each["model"] for each in refused} == {"m", "other", ""}
    assert "Permission denied" in refused[0]["reason"]
    assert managed.manager.models["m"].unit.state == "ready"
    assert managed.engines("m")[-1].instance.group is None


def test_children_are_killed_before_the_daemon(
    confined: Confined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's score of each is raised as soon as it runs."""
    monkeypatch.setattr(confinement, "PROCESSES", tmp_path)
    for pid in ("self", *map(str, range(2_000_000, 2_000_003))):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "oom_score_adj").write_text("-500")
    managed = confined(MODELS)
    scores = {
        each.process.pid: (tmp_path / str(each.process.pid) / "oom_score_adj").read_text()
        for each in managed.spawned
    }
    assert scores.pop(managed.gateway.process.pid) == "0"
    assert set(scores.values()) == {"200"}
