"""What the control socket does, and what it streams, held to its interface."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fakes.calls import CONTROL, ROOT, call, refused, replies
from fakes.managed import Managed
from serve_daemon.control.protocol import (
    CONFIG_REFUSED,
    OPERATION_FAILED,
    RELOAD_FAILED,
)
from serve_daemon.control.service import Call
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Reason

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\naliases = ["default"]\n'


def test_every_method_of_the_interface_is_there(managed: Make) -> None:
    """And no other."""
    assert set(managed(ONE).methods.handlers()) == set(CONTROL.methods)


async def test_stop_start_and_restart(managed: Make) -> None:
    """With wait they answer when it has happened."""
    world = managed(ONE)
    world.started()
    unit = world.manager.models["m"].unit
    stopping = asyncio.create_task(call(world, "Stop", model="m", wait=True))
    await asyncio.sleep(0)
    assert unit.state is State.DRAINING
    world.gateway.apply_routes()
    world.engines("m")[0].listener.on_exit(0)
    assert await stopping == {}
    starting = asyncio.create_task(call(world, "Start", model="default", wait=True))
    await asyncio.sleep(0)
    world.engines("m")[1].ready()
    assert await starting == {}
    assert await call(world, "Restart", model="m", wait=False) == {}
    assert len(world.engines("m")) == 3
    assert "uid 0 restarts it" in world.messages()


async def test_a_start_that_fails_says_why(managed: Make) -> None:
    """With the model's name, as several may be started at once."""
    world = managed(ONE)
    world.started()
    starting = asyncio.create_task(refused(world, "Restart", model="m", wait=True))
    await asyncio.sleep(0)
    world.engines("m")[-1].fail(Reason.SOURCE, "no such file")
    error = await starting
    assert error.name == OPERATION_FAILED
    assert error.parameters == {"message": "m: source: no such file"}


async def test_reload_and_plan(managed: Make) -> None:
    """Good, refused and failed."""
    world = managed(ONE)
    world.started()
    changes = (await call(world, "Reload", wait=True))["changes"]
    assert {each["outcome"] for each in changes} == {"done"}
    planned = (await call(world, "Plan", text=ONE.replace("[models.m]", "[models.x]")))["changes"]
    assert {(each["subject"], each["action"]) for each in planned} >= {
        ("models.m", "stop"),
        ("models.x", "start"),
    }
    world.file.write_text(world.file.read_text().replace("/models/m", "/models/other"))
    reloading = asyncio.create_task(refused(world, "Reload", wait=True))
    await asyncio.sleep(0)
    world.engines("m")[-1].fail(Reason.SOURCE, "no such file")
    assert (await reloading).name == RELOAD_FAILED
    world.file.write_text("[models.m")
    error = await refused(world, "Reload", wait=True)
    assert error.name == CONFIG_REFUSED
    assert error.parameters["problems"][0]["line"] == 1


async def test_a_reload_without_wait_ends_by_itself(managed: Make) -> None:
    """The answer comes when it has begun."""
    world = managed(ONE)
    world.started()
    world.file.write_text(world.file.read_text().replace("/models/m", "/models/other"))
    changes = (await call(world, "Reload", wait=False))["changes"]
    assert {each["outcome"] for each in changes} == {""}
    world.engines("m")[-1].ready()
    await world.manager.changes.wait_for(lambda: not world.reloader.is_busy)
    assert world.reloader.last_outcome == "applied"


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("Reload", {"wait": False}),
        ("Start", {"model": "m", "wait": False}),
        ("Restart", {"model": "m", "wait": False}),
    ],
)
async def test_nothing_is_started_while_the_daemon_leaves(
    managed: Make, method: str, parameters: dict[str, Any]
) -> None:
    """It would never come to its end."""
    world = managed(ONE)
    world.started()
    world.manager.models["m"].unit.stop("the daemon stops")
    world.state = "draining"
    error = await refused(world, method, **parameters)
    assert error.parameters == {"message": "the daemon is stopping"}
    assert world.manager.models["m"].unit.state is State.DRAINING


async def test_log_levels(managed: Make) -> None:
    """An unknown one is refused with those that there are."""
    world = managed(ONE)
    world.started()
    assert await call(world, "SetLogLevel", level="debug") == {}
    error = await refused(world, "SetLogLevel", level="loud")
    assert error.parameters == {"message": "the levels are debug, info, warning and error"}
    assert world.log.level == "debug"


async def test_logs_are_those_of_a_model(managed: Make) -> None:
    """The last so many, oldest first."""
    world = managed(ONE)
    world.start()
    engine = world.engines("m")[0]
    for number in range(5):
        engine.listener.on_line(f'{{"event": "{number}", "level": "info"}}')
    world.log.add({"event": "the daemon's", "level": "info"})
    own = await replies(world, "Logs", model="default", lines=2, follow=False)
    assert [each["record"]["event"] for each in own] == ["3", "4"]
    everything = await replies(world, "Logs", lines=1, follow=False)
    assert [each["record"]["event"] for each in everything] == ["the daemon's"]
    assert await replies(world, "Logs", lines=0, follow=False) == []
    assert await replies(world, "Logs", lines=-3, follow=False) == []


async def test_followers_get_what_is_new(managed: Make) -> None:
    """Events from a number on, then each as it happens; log records likewise."""
    world = managed(ONE)
    world.start()
    since = world.events.feed.last()[-1].number
    handlers = world.methods.handlers()
    events = aiter(
        handlers["Events"](Call("Events", {"since": since, "follow": True}, more=True, peer=ROOT))
    )
    assert (await anext(events))["event"]["number"] == since
    following = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    world.engines("m")[0].ready()
    event = (await following)["event"]
    assert (event["kind"], event["old"], event["new"]) == ("state", "starting", "ready")
    logs = aiter(handlers["Logs"](Call("Logs", {"lines": 0, "follow": True}, more=True, peer=ROOT)))
    record = asyncio.ensure_future(anext(logs))
    await asyncio.sleep(0)
    world.log.add({"event": "new", "level": "info"})
    assert (await record)["record"]["event"] == "new"
    for each in (events, logs):
        await each.aclose()  # type: ignore[attr-defined]


async def test_the_configuration_is_told_in_full(managed: Make) -> None:
    """Every key with its value."""
    world = managed(ONE)
    world.started()
    config = (await call(world, "GetConfig"))["config"]
    assert config["models"]["m"]["max_requests"] == 32


async def test_the_configuration_that_a_reload_would_bring(managed: Make) -> None:
    """Of the files as they are, or of a text in place of the main one; it is checked, too."""
    world = managed(ONE)
    world.started()
    world.file.write_text(world.file.read_text() + "max_requests = 7\n")
    pending = (await call(world, "GetPendingConfig"))["config"]
    assert pending["models"]["m"]["max_requests"] == 7
    assert (await call(world, "GetConfig"))["config"]["models"]["m"]["max_requests"] == 32
    given = (await call(world, "GetPendingConfig", text="[models.x]"))["config"]
    assert list(given["models"]) == ["x"]
    error = await refused(world, "GetPendingConfig", text="[models.x")
    assert error.name == CONFIG_REFUSED


async def test_origins_are_told_of_a_text_that_is_tried(managed: Make) -> None:
    """In place of the main file, or of a drop-in that is not there yet."""
    world = managed(ONE)
    world.started()
    text = "[log]\nlevel = 'debug'\n"
    main = (await call(world, "GetOrigins", text=text))["origins"]["log.level"]
    assert main == f"{world.file}:2:1"
    drop_in = f"{world.file}.d/a.toml"
    given = await call(world, "GetOrigins", text=text, file=drop_in)
    assert given["origins"]["log.level"] == f"{drop_in}:2:1"
    changes = (await call(world, "Plan", text=text, file=drop_in))["changes"]
    assert [each["keys"] for each in changes if each["subject"] == "daemon"] == [["log.level"]]
    error = await refused(world, "Plan", text=text, file=drop_in.replace(".toml.d", ""))
    assert error.name == CONFIG_REFUSED
