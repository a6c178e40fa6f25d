"""Reloads that meet: one that the watch begins, and another while it is under way."""

from collections.abc import Callable

from fakes.managed import Managed
from serve_daemon.config.files import digests

ONE = '[models.m]\nsource = "/models/m"\n'
TWO = f'{ONE}[models.n]\nsource = "/models/n"\n'

Make = Callable[[str], Managed]


async def test_a_file_that_is_being_written_is_left_alone(managed: Make) -> None:
    """What the watch has seen is carried out only while it still stands there."""
    world = managed(ONE)
    world.started()
    complete = digests(world.file)
    world.file.write_text("")  # an editor has begun to write
    world.reloader.follow(complete)
    world.file.write_text("[models")
    world.reloader.follow(complete)
    assert (list(world.manager.models), world.reloader.last_outcome) == (["m"], "")
    world.file.write_text(TWO)
    world.reloader.follow(digests(world.file))
    assert list(world.manager.models) == ["m", "n"]


async def test_a_reload_waits_for_what_an_earlier_one_has_begun(managed: Make) -> None:
    """Who saves the file and then asks for a reload hears what became of the edit."""
    world = managed(ONE)
    world.started()
    world.file.write_text(world.file.read_text().replace("/models/m", "/models/other"))
    world.reloader.begin("the file has changed")
    asked = world.reloader.begin("somebody asks")
    assert {each.action for each in asked.changes} == {"keep"}
    world.engines("m")[-1].listener.on_exit(1)
    steps = {each.subject: (each.outcome, each.reason) for each in await asked.finished()}
    assert steps["models.m"] == ("failed", "exited with status 1")


async def test_what_somebody_asked_for_first_is_no_news(managed: Make) -> None:
    """One edit is one reload; but a file that is mended to what it was ends the refusal."""
    world = managed(ONE)
    world.started()
    world.file.write_text(TWO)
    world.reloader.begin("somebody asks")
    told = world.messages()
    world.reloader.follow(digests(world.file))
    assert world.messages() == told
    world.file.write_text("[models")
    world.reloader.follow(digests(world.file))
    world.file.write_text(TWO)
    world.reloader.follow(digests(world.file))
    assert world.messages()[-1] == "reload begins: the file has changed"
