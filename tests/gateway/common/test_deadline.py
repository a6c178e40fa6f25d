"""A time limit that moves."""

import asyncio
import gc
import weakref

import pytest

from serve_daemon.gateway.common.deadline import Deadline

SOON = 0.002
NEVER = 3600.0


def passing(*seconds: float) -> asyncio.Event:
    """What a deadline sets that is set so, one after the other."""
    event = asyncio.Event()
    deadline = Deadline(event.set)
    for each in seconds:
        deadline.set(each)
    return event


@pytest.mark.parametrize("seconds", [(SOON,), (NEVER, SOON), (SOON, 2 * SOON)])
async def test_it_passes_at_the_time_that_was_set_last(seconds: tuple[float, ...]) -> None:
    """Earlier or later than before."""
    event = passing(*seconds)
    await event.wait()
    assert event.is_set()


async def test_it_does_not_pass_at_an_earlier_time() -> None:
    """At which its timer goes off."""
    event = passing(SOON, NEVER)
    await asyncio.sleep(10 * SOON)
    assert not event.is_set()


async def test_it_passes_once_and_can_be_set_again() -> None:
    """A lifted one does not pass."""
    calls: list[None] = []
    deadline = Deadline(lambda: calls.append(None))
    deadline.set(SOON)
    deadline.lift()
    await asyncio.sleep(5 * SOON)
    assert not calls
    for count in (1, 2):
        deadline.set(SOON)
        await asyncio.sleep(10 * SOON)
        assert len(calls) == count


async def test_a_closed_one_keeps_nobody_alive() -> None:
    """Its timer may have an hour to go."""

    class Owner:
        def __init__(self) -> None:
            self.deadline = Deadline(self.pass_)
            self.deadline.set(NEVER)

        def pass_(self) -> None:
            raise AssertionError

    owner = Owner()
    owner.deadline.close()
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
