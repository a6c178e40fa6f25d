"""One process: what its end and its signs of life are taken for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.units import World, signals_of
from serve_daemon.supervisor import instance, memory
from serve_daemon.supervisor.exits import Result, explain
from serve_daemon.supervisor.memory import count_oom_kills, resident_bytes
from serve_daemon.wire.messages import EngineHeartbeat
from serve_daemon.wire.routing import RoutesApplied


@pytest.mark.parametrize(
    ("kills_meanwhile", "returncode", "is_blamed"),
    [
        (1, -signal.SIGKILL, True),
        (0, -signal.SIGKILL, False),  # somebody's kill -9
        (1, -signal.SIGSEGV, False),  # it crashed by itself
        (1, 1, False),
    ],
)
def test_the_kernel_is_blamed_where_it_killed(
    monkeypatch: pytest.MonkeyPatch, kills_meanwhile: int, returncode: int, is_blamed: bool
) -> None:
    """A SIGKILL that nobody of us sent, while the kernel counted one."""
    count = 7
    monkeypatch.setattr(instance, "count_oom_kills", lambda: count)
    world = World()
    world.started()
    count += kills_meanwhile
    world.newest.on_exit(returncode)
    assert world.unit.reason.startswith("oom: ") is is_blamed


def test_our_own_kill_is_not_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hung was killed by us, whatever the kernel did meanwhile."""
    count = 7
    monkeypatch.setattr(instance, "count_oom_kills", lambda: count)
    world = World()
    world.started()
    world.clock.advance(30.0)
    world.unit.check()
    count += 1
    world.newest.on_exit(-signal.SIGKILL)
    assert world.unit.reason.startswith("hang: ")


def test_any_message_is_a_sign_of_life() -> None:
    """Also one that is of no concern here."""
    world = World()
    engine = world.started()
    world.clock.advance(15.0)
    engine.on_message(RoutesApplied(1))
    world.clock.advance(15.0)
    world.unit.check()
    assert world.unit.serving is engine
    assert engine.phase is instance.Phase.READY


def test_silence_counts_from_when_we_could_hear_of_it() -> None:
    """A machine that slept, or a frozen control group, is no hang of all that runs in it."""
    world = World()
    engine = world.started()
    world.clock.advance(1000.0)
    engine.on_message(EngineHeartbeat(1, 0, 7, 7, 999.0))
    engine.excuse()
    world.clock.advance(19.0)
    world.unit.check()
    assert signals_of(engine) == []
    world.clock.advance(2.0)
    world.unit.check()
    assert signals_of(engine) == [signal.SIGKILL]


def test_memory_is_what_the_kernel_says() -> None:
    """Of a process that is there; one that is gone holds none."""
    assert resident_bytes(os.getpid()) > 1_000_000
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert resident_bytes(gone.pid) == 0


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("0::/system.slice/serve.service", "system.slice/serve.service/memory.events"),
        ("4:memory:/serve", "memory/serve/memory.oom_control"),
    ],
)
def test_kills_are_counted_in_our_own_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, file: str
) -> None:
    """Of either version; others' processes are none of our concern."""
    (tmp_path / "self").write_text(f"9:name=systemd:/elsewhere\n{line}\n")
    counter = tmp_path / file
    counter.parent.mkdir(parents=True)
    counter.write_text("oom 4\noom_kill 3\n")
    monkeypatch.setattr(memory, "OWN_CONTROL_GROUP", tmp_path / "self")
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path)
    assert count_oom_kills() == 3


def test_kills_on_the_machine_are_counted_where_there_is_no_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better a guess than none; a kernel that counts nothing has killed nothing."""
    (tmp_path / "self").write_text("0::/gone\n")
    monkeypatch.setattr(memory, "OWN_CONTROL_GROUP", tmp_path / "self")
    assert count_oom_kills() >= 0
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "vmstat")
    (tmp_path / "vmstat").write_text("nr_free_pages 3\noom_kill 5\n")
    assert count_oom_kills() == 5
    (tmp_path / "vmstat").write_text("nr_free_pages 3\n")
    assert count_oom_kills() == 0


@pytest.mark.parametrize("is_stopped", [True, False])
def test_what_a_signal_stopped_is_not_its_own_making(
    monkeypatch: pytest.MonkeyPatch, *, is_stopped: bool
) -> None:
    """It is killed as hung all the same, but no request can have done that."""
    monkeypatch.setattr(instance, "is_stopped", lambda _pid: is_stopped)
    world = World()
    engine = world.started()
    world.clock.advance(30.0)
    world.unit.check()
    engine.on_exit(-signal.SIGKILL)
    assert engine.ended is not None
    assert explain(engine.ended).is_own_making is not is_stopped
    assert explain(engine.ended).result is (Result.SUSPENDED if is_stopped else Result.HANG)
    assert world.unit.reason.endswith(", stopped by a signal") is is_stopped


def test_an_engine_that_was_told_to_leave_may_crash_over_that() -> None:
    """Whatever its status then, no request is to blame."""
    world = World()
    engine = world.started()
    engine.terminate()
    engine.on_exit(-signal.SIGSEGV)
    assert engine.ended is not None
    assert explain(engine.ended).result is Result.STOPPED
