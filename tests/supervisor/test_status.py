"""What the control socket tells of the state, held to its interface."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from fakes.calls import call, model, refused
from fakes.managed import Managed
from fakes.units import heartbeat
from serve_daemon.config.estimate import Estimate
from serve_daemon.control.protocol import (
    UNKNOWN_MODEL,
)
from serve_daemon.supervisor import status
from serve_daemon.supervisor.machine import Need
from serve_daemon.supervisor.status import summary
from serve_daemon.wire.messages import Phase, Progress, Reason
from serve_daemon.wire.routing import Convicted, GatewayHeartbeat

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\naliases = ["default"]\n'


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


async def test_an_exit_that_was_over_a_request_is_known_for_that(managed: Make) -> None:
    """A gateway has found it out; another model's exit is as it was."""
    world = managed(ONE + '[models.n]\nsource = "/models/n"\n')
    world.started()
    for name in ("m", "n"):
        world.engines(name)[0].listener.on_exit(-6)
    convicted = Convicted(world.engines("m")[0].instance.identity, "req-7")
    world.gateway.listener.on_message(convicted)
    ended = (await model(world))["last_exit"]
    assert (ended["result"], ended["signal"]) == ("poison", "SIGABRT")
    assert ended["message"] == "request req-7, which has failed alone: killed by SIGABRT"
    assert (await model(world, "n"))["last_exit"]["result"] == "crash"
    assert f"{convicted.engine_id} has ended over request req-7" in world.messages()


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


async def test_how_far_a_download_is(managed: Make) -> None:
    """In bytes, as long as the engine isn't ready."""
    world = managed(ONE)
    world.start()
    engine = world.engines("m")[0]
    engine.listener.on_message(Progress(Phase.DOWNLOADING, "weights", done=3, total=8))
    (replica,) = (await model(world))["replicas"]
    assert (replica["progress"], replica["progress_done"]) == ("downloading weights", 3)
    assert replica["progress_total"] == 8
    engine.ready()
    (replica,) = (await model(world))["replicas"]
    assert (replica["progress_done"], replica["progress_total"]) == (0, 0)


async def test_memory_as_expected_as_it_is_and_as_it_was(
    managed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sum of what runs; the estimate is of one engine, with its parts."""
    world = managed(ONE + "replicas = 2\n")
    world.started()
    monkeypatch.setattr(status, "resident_bytes", lambda _pid: 7)
    unknown = await model(world)
    assert (unknown["memory"], unknown["peak_memory"], unknown["estimate"]) == (14, 0, None)
    estimate = Estimate(program=1, weights=2, kv_cache=3, workspace=4)
    need = Need("cpu", estimate, world.load().models["m"], least=10)
    monkeypatch.setattr(world.manager.room, "need", lambda _launch: need)
    for each in world.engines("m"):
        each.listener.on_message(structs.replace(heartbeat(), peak_bytes=9))
    known = await model(world)
    assert known["peak_memory"] == 18
    parts = {"program": 1, "weights": 2, "kv_cache": 3, "workspace": 4}
    assert known["estimate"] == parts | {"total": 10}
    assert [each["peak_memory"] for each in known["replicas"]] == [9, 9]


async def test_a_gpus_memory_is_what_the_engine_says(managed: Make) -> None:
    """The kernel knows nothing of it."""
    world = managed(ONE + 'device = "cuda:0"\n')
    world.start()
    engine = world.engines("m")[0].listener
    engine.on_message(structs.replace(heartbeat(), peak_bytes=9))
    assert (await model(world))["replicas"][0]["memory"] == 9


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


def test_the_summary_is_one_line(managed: Make) -> None:
    """For systemctl status."""
    world = managed(ONE)
    world.start()
    assert summary(world.manager) == "gateway: starting; m: starting"
