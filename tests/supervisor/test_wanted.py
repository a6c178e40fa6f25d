"""What is wanted, generation by generation, and the way back."""

from fakes.units import World
from serve_daemon.supervisor.wanted import Wanted


def test_each_change_is_a_generation_of_its_own() -> None:
    """Also back to a spec that was wanted before."""
    wanted = Wanted("A")
    for number, spec in enumerate(("B", "A", "B"), 2):
        wanted.change(spec, None)
        assert (wanted.spec, wanted.due, wanted.generation) == (spec, spec, number)


def test_what_serves_already_need_not_come_again() -> None:
    """Its generation is wanted once more, and the one after is new all the same."""
    serving = World().started()
    wanted = Wanted("A")
    wanted.change("B", serving)
    assert wanted.generation == 2
    wanted.change("A", serving)
    assert wanted.generation == serving.generation == 1
    wanted.change("C", serving)
    assert wanted.generation == 3


def test_there_is_a_way_back_to_what_has_worked() -> None:
    """And the generation that failed says why."""
    wanted = Wanted("A")
    wanted.prove(World().started())
    wanted.change("B", None)
    assert wanted.can_go_back(2)
    wanted.go_back(2, "no room")
    assert (wanted.spec, wanted.due, wanted.generation) == ("A", "A", 1)
    assert (wanted.failure_of(2), wanted.failure_of(1)) == ("no room", "")


def test_from_what_works_there_is_no_way_back() -> None:
    """It is where the way leads to."""
    wanted = Wanted("A")
    wanted.prove(World().started())
    assert not wanted.can_go_back(1)


def test_without_anything_that_has_worked_all_stays() -> None:
    """Whether nothing ever did, or it is forgotten."""
    wanted = Wanted("A")
    wanted.prove(World().started())
    wanted.forget()
    wanted.change("B", None)
    assert not wanted.can_go_back(2)
    wanted.go_back(2, "no room")
    assert (wanted.spec, wanted.generation, wanted.failure_of(2)) == ("B", 2, "")
