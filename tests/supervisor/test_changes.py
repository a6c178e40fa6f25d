"""Waiting for a condition that others bring about."""

import asyncio

import pytest

from serve_daemon.supervisor.changes import Changes


def test_what_holds_already_is_not_waited_for() -> None:
    """Nobody needs to notify: it returns without giving way to others."""
    with pytest.raises(StopIteration):
        Changes().wait_for(lambda: True).send(None)


async def test_a_change_wakes_those_whose_condition_holds() -> None:
    """The others go on waiting."""
    changes, values = Changes(), {"count": 0}
    early = asyncio.create_task(changes.wait_for(lambda: values["count"] >= 1))
    late = asyncio.create_task(changes.wait_for(lambda: values["count"] >= 2))
    await asyncio.sleep(0)
    values["count"] = 1
    changes.notify()
    await early
    assert not late.done()
    values["count"] = 2
    changes.notify()
    await late
    assert changes._waiting == set()


async def test_one_who_gives_up_leaves_nothing_behind() -> None:
    """A client that hangs up, say."""
    changes = Changes()
    waiting = asyncio.create_task(changes.wait_for(lambda: False))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert changes._waiting == set()
    changes.notify()


async def test_who_gives_up_at_the_very_change_is_not_woken() -> None:
    """It was cancelled a moment before, and has not yet gone."""
    changes = Changes()
    waiting = asyncio.create_task(changes.wait_for(lambda: False))
    await asyncio.sleep(0)
    waiting.cancel()
    changes.notify()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert changes._waiting == set()
