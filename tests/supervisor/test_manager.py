"""The manager: settings that follow the units, threads that are shared, names that are found."""

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.managed import Managed
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Configure, Drain, Reason, SetLogLevel, UseThreads
from serve_daemon.wire.routing import ConfigureGateway, StopAccepting

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\n'
TWO = f'{ONE}[models.n]\nsource = "/models/n"\naliases = ["default"]\n'


def reconfigure(world: Managed, name: str, old: str, new: str) -> int:
    """Edit the file and hand one model its new settings."""
    world.file.write_text(world.file.read_text().replace(old, new))
    return world.manager.reconfigure(name, world.load().models[name], "edit")


def test_a_gateway_that_is_ready_tells_where(managed: Make) -> None:
    """The addresses as they really are, in the log and among the events."""
    world = managed(ONE)
    world.started()
    assert f"listening on {world.manager.listening_on()[0]}" in world.messages()


def test_an_engine_is_configured_at_once(managed: Make, tmp_path: Path) -> None:
    """By its first message, with all that the file says of its model."""
    world = managed(ONE + "max_requests = 3")
    world.start()
    (engine,) = world.engines("m")
    assert engine.command.python == sys.executable
    (configure,) = engine.sent(Configure)
    assert (configure.spec.source, configure.spec.max_requests) == ("/models/m", 3)
    assert configure.log_level == "info"
    assert Path(configure.cache_directory) == tmp_path / "cache"


def test_the_gateway_learns_of_an_engine_that_is_ready(managed: Make, tmp_path: Path) -> None:
    """Where it listens, and until then that it is worth waiting."""
    world = managed(ONE)
    world.start()
    assert (world.route("m").state, world.route("m").can_wait) == ("starting", True)
    assert world.route("m").engines == []
    world.engines("m")[0].ready()
    (address,) = world.route("m").engines
    assert address.socket == str(tmp_path / "engines" / f"{address.engine_id}.sock")
    assert Path(address.socket).is_socket()
    world.engines("m")[0].listener.on_exit(1)
    assert not Path(address.socket).exists()


def test_models_are_found_by_name_and_alias(managed: Make) -> None:
    """As clients call them."""
    world = managed(TWO)
    world.start()
    assert world.manager.find("m") is world.manager.models["m"]
    assert world.manager.find("default") is world.manager.models["n"]
    assert world.manager.find("unknown") is None


def test_cores_are_shared_by_the_models_that_run(
    managed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change of their number is told to those that run; what the file says holds."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    world = managed(TWO + '[models.fixed]\nsource = "/f"\nthreads = 5\n')
    world.start()
    threads = {name: world.manager.models[name].threads for name in world.manager.models}
    assert threads == {"m": 1, "n": 1, "fixed": 5}
    (engine,) = world.engines("m")
    assert [each.threads for each in engine.sent(Configure)] == [7]  # and one for the gateway
    assert [each.threads for each in engine.sent(UseThreads)] == [3, 1]
    world.manager.models["n"].unit.stop("stop")
    world.engines("n")[0].listener.on_exit(0)
    world.manager.remove("fixed")
    assert engine.sent(UseThreads)[-1] == UseThreads(7)
    assert world.engines("fixed")[0].sent(UseThreads) == []


def test_a_model_that_failed_takes_no_cores(managed: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """And every model has one thread at least."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    world = managed(TWO)
    world.start()
    assert world.manager.models["m"].threads == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    world.engines("n")[0].fail(Reason.SOURCE)
    assert world.engines("m")[0].sent(UseThreads) == [UseThreads(2)]


def test_who_takes_over_from_a_crashed_replica_has_its_cores(
    managed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until that starts again: the streams that moved are computed anew from their beginning."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))
    world = managed('[models.m]\nsource = "/m"\nreplicas = 2\n')
    world.start()
    crashed, survivor = world.engines("m")
    for each in (crashed, survivor):
        each.ready()
    crashed.listener.on_exit(-9)
    assert survivor.sent(UseThreads)[-1] == UseThreads(7)
    world.clock.advance(60.0)
    assert survivor.sent(UseThreads)[-1] == UseThreads(3)


def test_a_live_setting_touches_no_process(managed: Make) -> None:
    """The gateway hears of it, the engine stays."""
    world = managed(TWO)
    world.started()
    generation = reconfigure(world, "n", '["default"]', '["other"]')
    assert world.manager.models["n"].unit.outcome(generation) == ""
    assert len(world.engines("n")) == 1
    assert world.route("n").aliases == ["other"]


def test_settings_go_back_when_a_replacement_fails(managed: Make) -> None:
    """All of them, as the file that asked for it is not in force."""
    world = managed(TWO)
    world.started()
    generation = reconfigure(
        world, "n", 'aliases = ["default"]', 'aliases = ["new"]\nmax_requests = 7\nmax_queue = 1'
    )
    assert world.route("n").aliases == ["new"]
    world.engines("n")[-1].fail(Reason.CONFIG, "no")
    model = world.manager.models["n"]
    assert model.unit.outcome(generation) == "config: no"
    assert (model.settings.max_requests, model.settings.aliases) == (32, ["default"])
    assert world.route("n").aliases == ["default"]
    assert world.route("n").max_queue == 128


def test_a_live_setting_outlives_a_later_failed_replacement(managed: Make) -> None:
    """What was taken up live is proven as well."""
    world = managed(TWO)
    world.started()
    reconfigure(world, "n", '["default"]', '["other"]')
    reconfigure(world, "n", '["other"]', '["third"]\nmax_requests = 7')
    world.engines("n")[-1].fail(Reason.CONFIG, "no")
    assert world.route("n").aliases == ["other"]


def test_limits_of_a_running_model_change_live(managed: Make) -> None:
    """The next silence is judged by the new hang_timeout."""
    world = managed(ONE + "hang_timeout = 100.0")
    world.started()
    reconfigure(world, "m", "100.0", "10.0")
    world.clock.advance(11.0)
    world.manager.check()
    assert world.engines("m")[0].process.signals == [signal.SIGKILL]


def test_an_edit_starts_a_model_that_was_stopped(managed: Make) -> None:
    """A stop holds until its table changes."""
    world = managed(TWO)
    world.started()
    unit = world.manager.models["n"].unit
    unit.stop("stop")
    world.engines("n")[0].listener.on_exit(0)
    reconfigure(world, "n", '["default"]', '["other"]')
    assert unit.state is State.STARTING


def test_restart_replaces_an_engine_by_its_like(managed: Make) -> None:
    """The old one serves until then."""
    world = managed(ONE)
    world.started()
    generation = world.manager.restart("m", "by hand")
    old, new = world.engines("m")
    assert old.instance.spec == new.instance.spec
    new.ready()
    world.gateway.apply_routes()
    assert world.manager.models["m"].unit.outcome(generation) == ""
    assert old.sent(Drain) == [Drain()]


def test_another_interpreter_replaces_the_engines(managed: Make) -> None:
    """Where it can't be run, the one that was proven is used again after a crash."""
    world = managed(ONE + '[engine]\npython = "/good/python"\n')
    world.started()
    world.cannot_spawn = lambda command: command.python == "/bad/python"
    world.file.write_text(world.file.read_text().replace("/good/", "/bad/"))
    world.manager.config = world.load().config
    generation = world.manager.reconfigure("m", world.load().models["m"], "edit")
    unit = world.manager.models["m"].unit
    assert (unit.outcome(generation) or "").startswith("can't be started")
    assert unit.state is State.READY
    world.engines("m")[0].listener.on_exit(1)
    world.clock.advance(1.0)
    assert [each.command.python for each in world.engines("m")] == ["/good/python"] * 2


def test_a_model_that_is_removed_drains_and_is_forgotten(managed: Make) -> None:
    """Only when no gateway can begin anything there any more."""
    world = managed(TWO)
    world.started()
    (engine,) = world.engines("n")
    unit = world.manager.remove("n")
    assert world.manager.find("n") is None
    assert engine.sent(Drain) == []
    world.gateway.apply_routes()
    assert engine.sent(Drain) == [Drain()]
    assert unit in world.manager.units()
    engine.listener.on_exit(0)
    assert unit.state is State.STOPPED
    assert unit not in world.manager.units()


def test_the_gateway_takes_up_what_it_can(managed: Make) -> None:
    """And the engines' drain limit follows [server] too."""
    world = managed(f'[server]\nlisten = ["127.0.0.1:0"]\ndrain_timeout = 30.0\n{ONE}')
    world.started()
    world.file.write_text(world.file.read_text().replace("30.0", "5.0"))
    world.manager.config = world.load().config
    generation = world.manager.reconfigure_gateway("edit")
    assert world.manager.gateway.outcome(generation) == ""
    assert world.gateway.sent(ConfigureGateway)[-1].settings.drain_timeout == 5.0
    assert len(world.gateways()) == 1
    assert world.manager.models["m"].unit.settings.limits.drain_seconds == 5.0


def test_a_gateway_is_replaced_before_the_old_one_leaves(managed: Make) -> None:
    """Both accept on the same socket meanwhile."""
    world = managed(f'[server]\nlisten = ["127.0.0.1:0"]\n{ONE}')
    world.started()
    old = world.gateway
    text = world.file.read_text().replace("[models", "max_connections = 7\n[models")
    world.file.write_text(text)
    world.manager.config = world.load().config
    world.manager.reconfigure_gateway("edit")
    new = world.gateway
    assert old.sent(StopAccepting) == []
    assert list(new.command.listening) == list(old.command.listening)
    new.ready()
    assert old.sent(StopAccepting) == [StopAccepting(math.inf)]


def test_log_levels_reach_everybody(managed: Make) -> None:
    """Those who run, and those who come."""
    world = managed(ONE)
    world.started()
    world.manager.set_log_level("debug")
    assert world.gateway.sent(SetLogLevel) == [SetLogLevel("debug")]
    assert world.engines("m")[0].sent(SetLogLevel) == [SetLogLevel("debug")]
    world.manager.restart("m", "by hand")
    assert world.engines("m")[-1].sent(Configure)[0].log_level == "debug"


def test_asking_where_it_listens_binds_nothing(managed: Make) -> None:
    """A daemon that drains has closed its sockets, and is still asked for its status."""
    world = managed(ONE)
    world.started()
    (address,) = world.manager.listening_on()
    assert address.startswith("127.0.0.1:")
    world.sockets.close_all()
    assert world.manager.listening_on() == []
    assert world.sockets.own == []


async def test_all_stopped_waits_for_removed_models_too(managed: Make) -> None:
    """No engine is left when the daemon ends."""
    world = managed(TWO)
    world.started()
    world.manager.remove("n")
    world.manager.models["m"].unit.stop("stop")
    world.gateway.apply_routes()
    world.engines("m")[0].listener.on_exit(0)
    waiting = asyncio.create_task(world.manager.all_stopped())
    await asyncio.sleep(0)
    assert not waiting.done()
    world.engines("n")[0].listener.on_exit(0)
    await waiting


def test_a_replaced_gateway_has_all_the_time_until_the_daemon_stops(managed: Make) -> None:
    """Then those that leave already are limited, too."""
    world = managed(ONE)
    world.started()
    old = world.gateway
    world.manager.gateway.replace(world.manager.gateway.spec, "test", force=True)
    world.gateway.ready()
    assert [each.seconds for each in old.sent(StopAccepting)] == [math.inf]
    world.clock.advance(100_000.0)
    assert old.process.signals == []
    world.manager.stop_gateway("test", 30.0)
    assert [each.seconds for each in old.sent(StopAccepting)] == [math.inf, 30.0]
    world.clock.advance(34.0)
    assert old.process.signals == [signal.SIGTERM]
