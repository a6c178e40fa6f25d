"""What the supervisor says of engines that are gone."""

import asyncio

import pytest

from serve_daemon.gateway.engines import verdicts
from serve_daemon.gateway.engines.verdicts import REMEMBERED, Verdicts
from serve_daemon.wire.routing import EngineEnded

CRASHED = EngineEnded("e1", is_own_making=True, reason="killed by SIGABRT")


async def test_a_verdict_may_come_before_or_after_the_question() -> None:
    """All who ask hear it."""
    given = Verdicts()
    asked = [asyncio.ensure_future(given.of("e1")) for _ in range(2)]
    await asyncio.sleep(0)
    given.give(CRASHED)
    assert await asyncio.gather(*asked) == [CRASHED, CRASHED]
    assert await given.of("e1") == CRASHED


async def test_no_verdict_is_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may break although nobody has ended."""
    monkeypatch.setattr(verdicts, "PATIENCE_SECONDS", 0.01)
    given = Verdicts()
    assert await asyncio.gather(*(given.of("e1") for _ in range(2))) == [None, None]
    given.give(CRASHED)
    assert await given.of("e1") == CRASHED


async def test_old_verdicts_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is bounded."""
    monkeypatch.setattr(verdicts, "PATIENCE_SECONDS", 0.01)
    given = Verdicts()
    given.give(CRASHED)
    for number in range(REMEMBERED):
        given.give(EngineEnded(f"other{number}", is_own_making=False, reason=""))
    assert await given.of("e1") is None
