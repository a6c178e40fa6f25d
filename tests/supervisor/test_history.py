"""The configurations that worked, on disk."""

from pathlib import Path

from structlog.testing import capture_logs

from fakes.managed import Managed
from serve_daemon.supervisor.history import KEPT, History
from supervisor.test_reload import ONE, TWO, Make


def texts(number: int) -> dict[str, str]:
    return {"/etc/serve.toml": f"# {number}\n"}


def test_entries_outlive_the_daemon_and_count_on(tmp_path: Path) -> None:
    """Another history of the same directory goes on where the first has ended."""
    History(tmp_path / "state" / "history").keep("first", [], texts(1))
    again = History(tmp_path / "state" / "history")
    again.keep("second", ["start models.m"], texts(2))
    kept = [(each.number, each.trigger, each.changes, each.files) for each in again.entries()]
    assert kept == [(1, "first", [], texts(1)), (2, "second", ["start models.m"], texts(2))]


def test_the_same_again_is_no_entry(tmp_path: Path) -> None:
    """A restart of the daemon with an unchanged file adds nothing."""
    history = History(tmp_path)
    for trigger in ("the daemon starts", "the daemon starts again"):
        history.keep(trigger, [], texts(1))
    assert [each.trigger for each in history.entries()] == ["the daemon starts"]


def test_the_oldest_are_forgotten(tmp_path: Path) -> None:
    """As many as are kept lie on disk, for their owner's eyes alone."""
    history = History(tmp_path)
    for number in range(1, KEPT + 4):
        history.keep("edit", [], texts(number))
    assert [each.number for each in history.entries()] == list(range(4, KEPT + 4))
    files = list(tmp_path.iterdir())
    assert len(files) == KEPT
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_broken_entry_costs_no_other(tmp_path: Path) -> None:
    """It is named in a warning and left out."""
    history = History(tmp_path)
    for number in (1, 2):
        history.keep("edit", [], texts(number))
    broken = min(tmp_path.iterdir())
    broken.write_text("{")
    with capture_logs() as records:
        assert [each.number for each in history.entries()] == [2]
    assert [each["file"] for each in records] == [str(broken)]


def test_a_directory_that_cannot_be_is_told_of(tmp_path: Path) -> None:
    """The configuration is in force all the same."""
    (tmp_path / "file").write_text("")
    with capture_logs() as records:
        History(tmp_path / "file" / "history").keep("edit", [], texts(1))
    assert [each["event"] for each in records] == ["the configuration's history can't be written"]


async def reload(world: Managed, *, works: bool) -> None:
    begun = world.reloader.begin("test")
    engine = world.engines("m")[-1]
    if works:
        engine.ready()
    else:
        engine.listener.on_exit(1)
    await begun.finished()


async def test_only_what_worked_is_kept(managed: Make) -> None:
    """A failed replacement leaves the old engine, and the history as it was."""
    world = managed(ONE)
    world.started()
    world.edit('source = "/models/m"', 'source = "/models/n"')
    await reload(world, works=True)
    good, engine = world.file.read_text(), world.manager.models["m"].unit.serving
    world.edit('source = "/models/n"', 'source = "/models/broken"')
    await reload(world, works=False)
    entries, current = world.reloader.history()
    assert [each.files for each in entries] == [{str(world.file): good}]
    assert entries[0].changes == ["replace models.m (source)"]
    assert current == 1
    assert world.reloader.last_outcome == "failed"
    assert world.manager.models["m"].unit.serving is engine


async def test_an_earlier_change_that_ends_later_is_not_in_force(managed: Make) -> None:
    """A model that is removed may drain for long; what was changed meanwhile holds."""
    world = managed(TWO)
    world.started()
    world.edit(TWO, ONE)
    removing = world.reloader.begin("remove")
    world.edit(ONE, f"{ONE}queue_timeout = 7.0\n")
    await world.reloader.begin("change").finished()
    world.engines("n")[0].listener.on_exit(0)
    await removing.finished()
    entries, current = world.reloader.history()
    assert [each.files for each in entries] == [{str(world.file): world.file.read_text()}]
    assert current == entries[0].number
