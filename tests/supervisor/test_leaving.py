"""Those that are to leave, and whether the next one has to wait for that."""

import signal

import pytest

from fakes.units import LIMITS, FakeProgram, World, sent_to, signals_of
from serve_daemon.supervisor.instance import Instance
from serve_daemon.supervisor.leaving import Leaving
from serve_daemon.wire.messages import Drain


@pytest.fixture
def instance() -> Instance:
    """One that serves."""
    return World().started()


def test_what_is_released_finishes_and_nobody_waits_for_it(instance: Instance) -> None:
    """It is told to drain, and another may start beside it."""
    leaving = Leaving(FakeProgram())
    leaving.release(instance, LIMITS)
    assert sent_to(instance) == [Drain()]
    assert leaving == {instance}
    assert not leaving.must_end_first


def test_what_is_to_leave_first_is_waited_for(instance: Instance) -> None:
    """Until it is gone."""
    leaving = Leaving(FakeProgram())
    leaving.release(instance, LIMITS, first=True)
    assert sent_to(instance) == [Drain()]
    assert leaving.must_end_first
    leaving.discard(instance)
    assert not leaving.must_end_first


def test_what_is_abandoned_is_waited_for(instance: Instance) -> None:
    """It is told to end, has nothing to finish, and is gone soon."""
    leaving = Leaving(FakeProgram())
    leaving.abandon(instance)
    assert signals_of(instance) == [signal.SIGTERM]
    assert leaving.must_end_first
