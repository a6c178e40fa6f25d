"""A time limit that moves."""

import asyncio
import gc
import weakref

from serve_daemon.gateway.deadline import Deadline

SOON = 0.002
NEVER = 3600.0


async def passed(seconds: float, *later: float) -> bool:
    """Whether a deadline that is set so, one after the other, passes at all."""
    passing = asyncio.Event()
    deadline = Deadline(passing.set)
    for each in (seconds, *later):
        deadline.set(each)
    try:
        async with asyncio.timeout(20 * SOON):
            await passing.wait()
    except TimeoutError:
        return False
    return True


async def test_it_passes_at_the_time_that_was_set_last() -> None:
    """Earlier or later than before."""
    assert await passed(SOON)
    assert await passed(NEVER, SOON)
    assert await passed(SOON, 2 * SOON)
    assert not await passed(SOON, NEVER)


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
