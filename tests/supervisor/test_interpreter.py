"""What engines run under: where a path leads, and that it may lead nowhere."""

from collections.abc import Callable
from pathlib import Path

from fakes.managed import Managed
from serve_daemon.supervisor.states import State

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\n'


async def test_another_environment_behind_the_same_path(managed: Make, tmp_path: Path) -> None:
    """A reload replaces engines; until then even one that is started anew has the old one."""
    current = tmp_path / "current"
    current.symlink_to("old")
    world = managed(ONE + f'[engine]\npython = "{current}/bin/python"\n')
    world.started()
    current.unlink()
    current.symlink_to("new")
    world.engines("m")[0].listener.on_exit(1)
    world.clock.advance(1.0)
    world.engines("m")[-1].ready()
    reload = world.reloader.begin("test")
    world.engines("m")[-1].ready()
    world.gateway.apply_routes()
    steps = {each.subject: (each.action, each.outcome) for each in await reload.finished()}
    assert steps["models.m"] == ("replace", "done")
    names = [Path(each.command.python).parts[-3] for each in world.engines("m")]
    assert names == ["old", "old", "new"]


def test_where_there_is_no_interpreter(managed: Make) -> None:
    """A model fails for a reason that says what makes one."""
    world = managed(f'{ONE}start_limit = 1\n[engine]\npython = "/no/current/bin/python"\n')
    world.cannot_spawn = lambda command: command.python.startswith("/no/")
    world.start()
    world.clock.advance(1.0)
    unit = world.manager.models["m"].unit
    assert unit.state is State.FAILED
    assert "there is no /no/current/bin/python; servectl engine install" in unit.reason
