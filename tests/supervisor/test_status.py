"""What the control socket tells, held to its interface, and what it does."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from fakes.managed import Managed
from fakes.units import heartbeat
from serve_daemon.control.interface import load
from serve_daemon.control.protocol import (
    CONFIG_REFUSED,
    INTERFACE,
    OPERATION_FAILED,
    RELOAD_FAILED,
    UNKNOWN_MODEL,
    ControlError,
)
from serve_daemon.control.service import Call, Peer
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.status import summary
from serve_daemon.wire.messages import Phase, Progress, Reason
from serve_daemon.wire.routing import GatewayHeartbeat

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\naliases = ["default"]\n'
CONTROL = load(INTERFACE)
ROOT = Peer(pid=1, uid=0, gid=0)


async def replies(world: Managed, method: str, **parameters: Any) -> list[dict[str, Any]]:
    """All replies to a call; every one is as the interface promises."""
    assert CONTROL.fault(parameters, CONTROL.methods[method].takes) == ""
    handler = world.methods.handlers()[method]
    given = [each async for each in handler(Call(method, parameters, more=False, peer=ROOT))]
    for each in given:
        assert CONTROL.fault(each, CONTROL.methods[method].gives) == ""
    return given


async def call(world: Managed, method: str, **parameters: Any) -> dict[str, Any]:
    (reply,) = await replies(world, method, **parameters)
    return reply


async def refused(world: Managed, method: str, **parameters: Any) -> ControlError:
    """The error that a call is answered with, as the interface promises."""
    with pytest.raises(ControlError) as caught:
        await replies(world, method, **parameters)
    expected = CONTROL.errors[caught.value.name.rpartition(".")[2]]
    assert CONTROL.fault(caught.value.parameters, expected) == ""
    return caught.value


async def model(world: Managed, name: str = "m") -> dict[str, Any]:
    (found,) = (await call(world, "Status", model=name))["models"]
    return dict(found)


def test_every_method_of_the_interface_is_there(managed: Make) -> None:
    """And no other."""
    assert set(managed(ONE).methods.handlers()) == set(CONTROL.methods)


async def test_a_model_in_each_of_its_states(
    managed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pids are real or null, reasons are there where they matter."""
    world = managed(ONE)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", world.clock.time)
    world.start()
    world.engines("m")[0].listener.on_message(Progress(Phase.LOADING, "weights"))
    starting = await model(world)
    assert (starting["state"], starting["pid"]) == ("starting", None)
    assert starting["replicas"][0]["progress"] == "loading weights"
    assert starting["replicas"][0]["role"] == "successor"
    world.engines("m")[0].ready()
    world.engines("m")[0].listener.on_message(heartbeat())
    ready = await model(world)
    assert (ready["state"], ready["pid"]) == ("ready", world.engines("m")[0].process.pid)
    assert (ready["device"], ready["max_context"]) == ("cpu", 64)
    assert ready["replicas"][0]["role"] == "serving"
    assert ready["last_exit"] is None
    world.engines("m")[0].listener.on_exit(3)
    backoff = await model(world)
    assert (backoff["state"], backoff["reason"]) == ("backoff", "exited with status 3")
    assert (backoff["retry_in"], backoff["restarts"]) == (0.5, 1)
    world.clock.advance(0.5)
    world.engines("m")[1].fail(Reason.SOURCE, "no such file")
    failed = await model(world)
    assert (failed["state"], failed["reason"]) == ("failed", "source: no such file")
    assert (failed["pid"], failed["retry_in"], failed["replicas"]) == (None, None, [])


@pytest.mark.parametrize(
    ("returncode", "expected"),
    [
        (
            3,
            {"result": "exit-code", "status": 3, "signal": None, "message": "exited with status 3"},
        ),
        (-11, {"result": "crash", "status": None, "signal": "SIGSEGV"}),
        (-9, {"result": "signal", "status": None, "signal": "SIGKILL"}),
    ],
)
async def test_the_last_exit_is_told(
    managed: Make, monkeypatch: pytest.MonkeyPatch, returncode: int, expected: dict[str, Any]
) -> None:
    """Of engines and of gateways alike, with its class, and for as long as there is no other."""
    world = managed(ONE)
    world.started()
    monkeypatch.setattr("time.time", lambda: 5000.0)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: world.clock.time() + 7.0)
    for each in (world.engines("m")[0], world.gateway):
        each.listener.on_exit(returncode)
        restarted = world.engines("m") if each.command.module.endswith("engine") else None
        world.clock.advance(0.5)
        (restarted[-1] if restarted else world.gateway).ready()
    identity = world.engines("m")[0].instance.identity
    (ended,) = [(await model(world))["last_exit"]]
    assert ended.items() >= (expected | {"id": identity, "time": 4992.0}).items()
    gateway = (await call(world, "Status"))["gateway"]["last_exit"]
    assert gateway.items() >= expected.items()


async def test_what_was_meant_to_end_is_no_crash(managed: Make) -> None:
    """The class says so."""
    world = managed(ONE)
    world.started()
    world.manager.models["m"].unit.stop("test")
    world.gateway.apply_routes()
    world.engines("m")[0].listener.on_exit(0)
    assert (await model(world))["last_exit"]["result"] == "stopped"


async def test_each_replica_tells_its_device(managed: Make) -> None:
    """The one that it is to have until it says which it has."""
    world = managed(ONE + 'replicas = 3\ndevice = ["cuda:0", "cpu"]\n')
    world.start()
    starting = await model(world)
    assert starting["device"] == "cuda:0, cpu"
    assert [each["device"] for each in starting["replicas"]] == ["cuda:0", "cpu", "cuda:0"]
    world.engines("m")[0].ready()
    ready = await model(world)
    assert [each["device"] for each in ready["replicas"]] == ["cpu", "cpu", "cuda:0"]


async def test_an_engine_that_compiles_says_so(managed: Make) -> None:
    """It serves, but not as fast as it will."""
    world = managed(ONE)
    world.started()
    engine = world.engines("m")[0].listener
    for is_compiling, shown in ((True, "compiling"), (False, "")):
        engine.on_message(structs.replace(heartbeat(), is_compiling=is_compiling))
        assert (await model(world))["replicas"][0]["progress"] == shown


async def test_the_last_log_records_are_told_as_many_as_wanted(managed: Make) -> None:
    """Of each model its own; none where nobody asked."""
    world = managed(ONE)
    world.start()
    for number in range(5):
        line = f'{{"event": "{number}", "level": "debug"}}'
        world.engines("m")[0].listener.on_line(line)
    (shown,) = (await call(world, "Status", lines=2))["models"]
    assert [each["event"] for each in shown["log"]] == ["3", "4"]
    assert (await model(world))["log"] == []


async def test_a_model_is_asked_for_by_its_alias(managed: Make) -> None:
    """Or by a name that nobody knows, which is answered with those that are known."""
    world = managed(ONE)
    world.start()
    assert (await model(world, "default"))["name"] == "m"
    error = await refused(world, "Status", model="x")
    assert (error.name, error.parameters) == (UNKNOWN_MODEL, {"model": "x", "known": ["m"]})


async def test_the_gateway_counts_over_all_its_processes(managed: Make) -> None:
    """Those that leave included."""
    world = managed(ONE)
    world.started()
    world.gateway.listener.on_message(GatewayHeartbeat(open_requests=2, requests=9, failures=1))
    world.manager.gateway.replace(world.manager.gateway.spec, "test", force=True)
    world.gateway.ready()
    world.gateway.listener.on_message(GatewayHeartbeat(open_requests=1, requests=1, failures=0))
    gateway = (await call(world, "Status"))["gateway"]
    assert (gateway["open_requests"], gateway["requests"], gateway["failures"]) == (3, 10, 1)
    assert gateway["pid"] == world.gateway.process.pid
    assert gateway["listen"] == world.manager.listening_on()


async def test_since_is_the_time_of_the_last_step(
    managed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Unix time, whatever the event loop's clock says."""
    world = managed(ONE)
    world.start()
    monkeypatch.setattr("time.time", lambda: 5000.0)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: world.clock.time() + 7.0)
    assert (await model(world))["since"] == 4993.0


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


def test_the_summary_is_one_line(managed: Make) -> None:
    """For systemctl status."""
    world = managed(ONE)
    world.start()
    assert summary(world.manager) == "gateway: starting; m: starting"
