"""What stands in the log, and what in the events."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from fakes.managed import Managed
from serve_daemon.wire.messages import Reason

Make = Callable[[str], Managed]
Records = list[dict[str, Any]]

ONE = '[models.m]\nsource = "/models/m"\n'
SAID = "source: no such file"


@pytest.fixture
def records() -> Iterator[Records]:
    """What is logged meanwhile."""
    structlog.configure(cache_logger_on_first_use=False)
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]


def of(records: Records, **fields: Any) -> Records:
    return [each for each in records if fields.items() <= each.items()]


async def reload_to_a_bad_source(world: Managed) -> None:
    world.file.write_text(world.file.read_text().replace("/models/m", "/models/other"))
    reload = world.reloader.begin("test")
    world.engines("m")[-1].fail(Reason.SOURCE, "no such file")
    await reload.finished()


async def test_a_failure_stands_in_the_log_in_the_words_of_its_engine_alone(
    managed: Make, records: Records
) -> None:
    """The unit tells what becomes of it, and by which engine; the reload, what has failed."""
    world = managed(ONE)
    world.started()
    await reload_to_a_bad_source(world)
    assert not any("no such file" in str(each) for each in records)
    (replaced,) = of(records, event="the replacement failed, the old one goes on")
    assert replaced["result"] == "source"
    assert replaced["engine_id"] == world.engines("m")[-1].instance.identity
    (failed,) = of(records, event="reload failed")
    assert failed["failed"] == ["models.m"]


async def test_an_event_stands_for_itself(managed: Make) -> None:
    """Who follows events alone learns why."""
    world = managed(ONE)
    world.started()
    await reload_to_a_bad_source(world)
    said = [each.message for each in world.events.feed.last()]
    assert f"the replacement failed, the old one goes on: {SAID}" in said
    assert f"reload failed\nmodels.m: {SAID}" in said


def test_what_no_engine_has_said_is_told_once(managed: Make, records: Records) -> None:
    """The next crash is told again, as it is another one."""
    world = managed(ONE)
    world.started()
    world.engines("m")[-1].listener.on_exit(3)
    world.clock.advance(0.5)
    said = of(records, model="m", reason="exited with status 3")
    assert [(each["old"], each["new"]) for each in said] == [("ready", "backoff")]
    assert of(records, model="m", old="backoff", new="starting")
    world.engines("m")[-1].listener.on_exit(3)
    assert len(of(records, model="m", reason="exited with status 3")) == 2


async def test_a_failure_that_nobody_has_told_of_is_told_by_the_reload(
    managed: Make, records: Records
) -> None:
    """As of what a later change came before."""
    world = managed(ONE)
    world.started()
    world.file.write_text(world.file.read_text().replace("/models/m", "/models/other"))
    reload = world.reloader.begin("test")
    world.manager.models["m"].unit.stop("enough")
    await asyncio.wait_for(reload.finished(), 10)
    (failed,) = of(records, event="reload failed")
    assert failed["failed"] == ["models.m: stopped meanwhile"]
