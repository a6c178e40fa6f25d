"""Reloads: what is planned, what becomes of it, and that a bad file changes nothing."""

import asyncio
from collections.abc import Callable

import pytest

from fakes.managed import Managed, outcomes
from serve_daemon.config.problems import ConfigError
from serve_daemon.supervisor.events import Kind
from serve_daemon.supervisor.reload import Instead
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Reason, SetLogLevel

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\n'
TWO = f'{ONE}[models.n]\nsource = "/models/n"\naliases = ["default"]\n'


async def test_an_unchanged_file_changes_nothing(managed: Make) -> None:
    """Everything is kept, and the reload ends at once."""
    world = managed(TWO)
    world.started()
    num_spawned, num_sent = len(world.spawned), len(world.gateway.process.sent)
    steps = await world.reloader.begin("test").finished()
    assert {each.action for each in steps} == {"keep"}
    assert {each.outcome for each in steps} == {"done"}
    assert world.reloader.last_outcome == "applied"
    assert (len(world.spawned), len(world.gateway.process.sent)) == (num_spawned, num_sent)


async def test_each_model_gets_what_its_change_takes(managed: Make) -> None:
    """Kept, updated, replaced, stopped and started, in one reload."""
    names = ("kept", "updated", "replaced", "stopped")
    world = managed("".join(f'[models.{each}]\nsource = "/{each}"\n' for each in names))
    world.started()
    world.edit('source = "/updated"', 'source = "/updated"\nmax_queue = 1')
    world.edit('source = "/replaced"', 'source = "/replaced"\nmax_requests = 1')
    world.edit("[models.stopped]", "[models.started]")
    reload = world.reloader.begin("test")
    assert world.reloader.is_busy
    world.engines("replaced")[-1].ready()
    world.engines("started")[-1].ready()
    world.gateway.apply_routes()
    world.engines("stopped")[0].listener.on_exit(0)
    assert outcomes(await reload.finished()) == {
        "models.kept": ("keep", "done", ""),
        "models.updated": ("update", "done", ""),
        "models.replaced": ("replace", "done", ""),
        "models.stopped": ("stop", "done", ""),
        "models.started": ("start", "done", ""),
        "gateway": ("keep", "done", ""),
        "daemon": ("keep", "done", ""),
    }
    assert not world.reloader.is_busy
    assert {name: len(world.engines(name)) for name in (*names, "started")} == {
        "kept": 1,
        "updated": 1,
        "replaced": 2,
        "stopped": 1,
        "started": 1,
    }


async def test_a_bad_file_changes_nothing(managed: Make) -> None:
    """Every problem is told, with its place; then the same file mended is taken."""
    world = managed(ONE)
    world.started()
    num_spawned, config = len(world.spawned), world.manager.config
    world.edit("source", "sauce")
    with pytest.raises(ConfigError) as refused:
        world.reloader.begin("test")
    assert (refused.value.problems[0].line, refused.value.problems[0].key) == (4, "models.m.sauce")
    assert world.reloader.last_outcome == "refused"
    assert not world.reloader.is_busy
    assert len(world.spawned) == num_spawned
    assert world.manager.config is config
    assert "reload (test) refused, nothing has changed" in world.messages()
    world.edit("sauce", "source")
    assert {each.action for each in await world.reloader.begin("test").finished()} == {"keep"}


async def test_a_replacement_that_fails_is_a_failed_reload(managed: Make) -> None:
    """The old engine serves on, and the next reload tries again."""
    world = managed(ONE)
    world.started()
    world.edit('source = "/models/m"', 'source = "/models/other"')
    reload = world.reloader.begin("test")
    world.engines("m")[-1].fail(Reason.SOURCE, "no such file")
    steps = outcomes(await reload.finished())
    assert steps["models.m"] == ("replace", "failed", "source: no such file")
    assert world.reloader.last_outcome == "failed"
    told = [each.message for each in world.events.feed.last() if each.kind is Kind.RELOAD]
    assert told == [
        "reload begins: test\nreplace models.m (source)",
        "reload failed\nmodels.m: source: no such file",
    ]
    assert world.manager.models["m"].unit.state is State.READY
    assert world.reloader.effective()["models"]["m"]["source"] == "/models/m"
    again = world.reloader.begin("test")
    assert outcomes(again.changes)["models.m"][0] == "replace"
    world.engines("m")[-1].ready()
    assert outcomes(await again.finished())["models.m"] == ("replace", "done", "")


async def test_an_engine_that_can_not_even_be_spawned_is_a_failed_reload(managed: Make) -> None:
    """Though the unit has gone back before anybody could wait."""
    world = managed(ONE)
    world.started()
    world.cannot_spawn = lambda _command: True
    world.edit('source = "/models/m"', 'source = "/models/other"')
    steps = outcomes(await world.reloader.begin("test").finished())
    action, outcome, reason = steps["models.m"]
    assert (action, outcome) == ("replace", "failed")
    assert reason.startswith("can't be started")


async def test_the_last_of_quick_edits_wins(managed: Make) -> None:
    """Each reload ends with its own outcome; there are never two successors."""
    world = managed(ONE)
    world.started()
    world.edit('source = "/models/m"', 'source = "/models/second"')
    first = world.reloader.begin("one")
    world.edit("second", "third")
    second = world.reloader.begin("two")
    assert len(world.engines("m")) == 2
    world.engines("m")[-1].listener.on_exit(0)
    assert len(world.engines("m")) == 3
    world.engines("m")[-1].ready()
    assert outcomes(await first.finished())["models.m"][2] == "superseded by a later change"
    assert outcomes(await second.finished())["models.m"][1] == "done"
    assert world.manager.models["m"].settings.source == "/models/third"


async def test_a_reload_ends_though_nobody_waits(managed: Make) -> None:
    """The caller did not want to, or has hung up meanwhile."""
    world = managed(ONE)
    world.started()
    world.edit('source = "/models/m"', 'source = "/models/other"')
    caller = asyncio.create_task(world.reloader.begin("test").finished())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert world.reloader.is_busy
    world.engines("m")[-1].ready()
    await world.manager.changes.wait_for(lambda: not world.reloader.is_busy)
    assert world.reloader.last_outcome == "applied"


async def test_the_plan_changes_nothing(managed: Make) -> None:
    """For the files as they are, or for a text that is not saved yet."""
    world = managed(ONE)
    world.started()
    num_spawned = len(world.spawned)
    text = world.file.read_text().replace("/models/m", "/models/other")
    (step,) = [each for each in world.reloader.preview(Instead(text)) if each.action != "keep"]
    assert (step.subject, step.action, step.keys, step.outcome) == (
        "models.m",
        "replace",
        ["source"],
        "",
    )
    assert all(each.action == "keep" for each in world.reloader.preview(None))
    assert len(world.spawned) == num_spawned


async def test_the_log_level_changes_live_though_the_format_does_not(managed: Make) -> None:
    """What needs a restart is said; what doesn't is done."""
    world = managed(f'[log]\nlevel = "info"\nformat = "json"\n{ONE}')
    world.started()
    world.edit('level = "info"\nformat = "json"', 'level = "debug"\nformat = "console"')
    steps = outcomes(await world.reloader.begin("test").finished())
    assert steps["daemon"] == ("restart", "done", "takes effect when the daemon is restarted")
    assert world.log.level == "debug"
    assert world.gateway.sent(SetLogLevel) == [SetLogLevel("debug")]


async def test_events_tell_the_whole_story(managed: Make) -> None:
    """Begin, each step, end; with the keys that made the difference."""
    world = managed(ONE)
    world.started()
    world.edit('source = "/models/m"', 'source = "/models/other"')
    reload = world.reloader.begin("uid 0 asked for it")
    world.engines("m")[-1].ready()
    await reload.finished()
    old, new = (each.instance.identity for each in world.engines("m"))
    told = world.messages()
    told = told[told.index("reload begins: uid 0 asked for it") :]
    assert told == [
        "reload begins: uid 0 asked for it",
        "uid 0 asked for it: source",
        f"{new} has replaced {old}",
        "reload applied",
    ]
