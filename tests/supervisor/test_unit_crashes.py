"""Histories of one unit whose processes crash, hang, or don't become ready."""

import signal

import msgspec
import pytest

from fakes.units import RESTARTS, SETTINGS, World, heartbeat, signals_of
from serve_daemon.supervisor.exits import Exit, LastExit
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Phase, Progress, Reason


def _delay(world: World) -> float:
    assert world.unit.retry.at is not None
    return world.unit.retry.at - world.clock.time()


def test_a_crash_is_answered_with_a_restart() -> None:
    """The same spec comes back after the delay, and the crash is told."""
    world = World()
    world.started().on_exit(-signal.SIGSEGV)
    assert world.state() is State.BACKOFF
    assert world.unit.reason == "killed by SIGSEGV"
    world.clock.advance(1.0)
    assert world.state() is State.STARTING
    world.ready()
    assert world.state() is State.READY
    assert world.specs() == ["A", "A"]
    assert world.unit.retry.total == 1


def test_delays_double_until_the_limit_ends_it() -> None:
    """Five crashes within the interval are too many; the reason of the last one stays."""
    world = World()
    world.unit.start("start")
    delays = []
    for _ in range(4):
        world.newest.on_exit(3)
        delays.append(_delay(world))
        world.clock.advance(delays[-1])
    world.newest.on_exit(4)
    assert delays == [1.0, 2.0, 4.0, 6.0]
    assert world.state() is State.FAILED
    assert world.unit.reason == "exited with status 4"
    world.clock.advance(10_000.0)
    assert len(world.program.spawned) == 5


def test_crashes_that_are_long_ago_do_not_count() -> None:
    """A model that crashes now and then is restarted for ever, and soon."""
    world = World()
    world.unit.start("start")
    for _ in range(20):
        world.ready()
        world.clock.advance(301.0)
        world.newest.on_exit(1)
        assert _delay(world) == 1.0
        world.clock.advance(1.0)
    assert world.state() is State.STARTING


@pytest.mark.parametrize("reason", [Reason.CONFIG, Reason.SOURCE])
def test_what_somebody_must_mend_is_not_tried_again(reason: Reason) -> None:
    """The unit fails at once with the words of its engine."""
    world = World()
    world.unit.start("start")
    world.fail(reason, "look there")
    assert world.state() is State.FAILED
    assert world.unit.reason == f"{reason}: look there"


@pytest.mark.parametrize("reason", [Reason.MEMORY, Reason.DEVICE, Reason.INTERNAL])
def test_what_may_pass_is_tried_again(reason: Reason) -> None:
    """Memory may come free, a device may come back."""
    world = World()
    world.unit.start("start")
    world.fail(reason)
    assert world.state() is State.BACKOFF


def test_the_last_exit_is_remembered() -> None:
    """A crash and an intended stop are told apart, and so is what never ran."""
    world = World()
    assert world.unit.last_exit is None
    world.started()
    world.clock.advance(3.0)
    world.newest.on_exit(-signal.SIGSEGV)
    crash = LastExit("e1", 1003.0, Exit(-signal.SIGSEGV))
    assert world.unit.last_exit == crash
    world.clock.advance(1.0)
    world.ready()
    assert world.unit.last_exit == crash
    world.unit.stop("enough")
    world.newest.on_exit(0)
    assert world.unit.last_exit == LastExit("e2", 1004.0, Exit(0, was_draining=True))
    world.program.broken = {"A"}
    world.unit.start("start")
    assert world.unit.last_exit.ended.returncode is None


def test_a_start_that_takes_too_long_is_ended() -> None:
    """The process is killed, and it counts as a crash."""
    world = World()
    world.unit.start("start")
    world.clock.advance(99.0)
    assert signals_of(world.newest) == []
    world.clock.advance(1.0)
    assert signals_of(world.newest) == [signal.SIGKILL]
    world.newest.on_exit(-signal.SIGKILL)
    assert world.state() is State.BACKOFF
    assert world.unit.reason == "not ready within 100 s"


def test_progress_extends_the_start() -> None:
    """A long download is fine as long as it goes on; standing still is not."""
    world = World()
    world.unit.start("start")
    for done in range(5):
        world.newest.on_message(Progress(Phase.DOWNLOADING, done=done, total=9))
        world.clock.advance(90.0)
    assert signals_of(world.newest) == []
    world.newest.on_message(Progress(Phase.DOWNLOADING, done=4, total=9))
    world.clock.advance(10.0)
    assert signals_of(world.newest) == [signal.SIGKILL]


def test_ready_ends_the_start_limit() -> None:
    """A process that is ready is not killed for having started."""
    world = World()
    world.started()
    world.clock.advance(1000.0)
    assert signals_of(world.newest) == []


def test_a_silent_process_is_killed() -> None:
    """No message for hang_seconds: it counts as hung, and as a crash."""
    world = World()
    engine = world.started()
    world.clock.advance(20.0)
    world.unit.check()
    assert signals_of(engine) == []
    world.clock.advance(1.0)
    world.unit.check()
    world.unit.check()
    assert signals_of(engine) == [signal.SIGKILL]
    engine.on_exit(-signal.SIGKILL)
    assert world.state() is State.BACKOFF
    assert world.unit.reason == "hang: no sign of life for 21 s"


def test_a_process_that_is_starting_must_show_life_too() -> None:
    """Heartbeats begin before the model is loaded."""
    world = World()
    world.unit.start("start")
    world.clock.advance(15.0)
    world.newest.on_message(heartbeat())
    world.clock.advance(15.0)
    world.unit.check()
    assert signals_of(world.newest) == []
    world.clock.advance(15.0)
    world.unit.check()
    assert signals_of(world.newest) == [signal.SIGKILL]


def test_a_stalled_process_is_killed() -> None:
    """It beats, but no step ends."""
    world = World()
    engine = world.started()
    world.clock.advance(30.0)
    engine.on_message(heartbeat(stalled_seconds=20.0))
    world.unit.check()
    assert signals_of(engine) == []
    engine.on_message(heartbeat(stalled_seconds=21.0))
    world.unit.check()
    assert signals_of(engine) == [signal.SIGKILL]
    engine.on_exit(-signal.SIGKILL)
    assert world.unit.reason == "hang: no step finished for 21 s"


def test_a_process_that_drains_and_hangs_is_killed() -> None:
    """Its end was wanted, so it is no crash."""
    world = World()
    engine = world.started()
    world.clock.advance(30.0)
    world.unit.stop("stop")
    engine.on_message(heartbeat(stalled_seconds=30.0))
    world.unit.check()
    assert signals_of(engine) == [signal.SIGKILL]
    engine.on_exit(-signal.SIGKILL)
    assert world.state() is State.STOPPED
    assert world.unit.retry.total == 0


def test_what_is_ready_too_late_is_not_served() -> None:
    """The process was given up already."""
    world = World()
    world.unit.start("start")
    world.clock.advance(100.0)
    world.ready()
    assert world.unit.serving is None
    assert world.state() is State.STARTING


def test_a_program_that_cannot_be_spawned_is_tried_again() -> None:
    """The reason names the file; a start limit ends it, too."""
    world = World()
    world.program.broken = {"A"}
    generation = world.unit.start("start")
    assert world.state() is State.BACKOFF
    assert "No such file or directory: 'A'" in world.unit.reason
    assert world.unit.outcome(generation) is None
    world.clock.advance(100.0)
    assert world.state() is State.FAILED
    assert world.unit.outcome(generation) == world.unit.reason


def test_a_program_that_can_be_spawned_again_comes_back() -> None:
    """Backoff has its point here as well."""
    world = World()
    world.program.broken = {"A"}
    world.unit.start("start")
    world.program.broken = set()
    world.clock.advance(1.0)
    world.ready()
    assert world.state() is State.READY


def test_without_a_limit_it_is_never_given_up() -> None:
    """The gateway comes back for ever."""
    policy = msgspec.structs.replace(RESTARTS, limit=None)
    world = World(msgspec.structs.replace(SETTINGS, restarts=policy))
    world.unit.start("start")
    for _ in range(100):
        world.newest.on_exit(1)
        assert world.state() is State.BACKOFF
        world.clock.advance(_delay(world))


def test_settings_change_while_the_unit_runs() -> None:
    """The next crash is judged by the new limit."""
    world = World()
    world.started()
    policy = msgspec.structs.replace(RESTARTS, limit=1)
    world.unit.settings = msgspec.structs.replace(SETTINGS, restarts=policy)
    world.newest.on_exit(1)
    assert world.state() is State.FAILED
