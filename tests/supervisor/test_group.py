"""Several units as one: replaced one by one, and back where one fails."""

from typing import Any, cast

import pytest

from fakes.units import SETTINGS, FakeClock, FakeJournal, FakeProgram, engine_ready
from serve_daemon.supervisor.group import Group
from serve_daemon.supervisor.instance import Instance
from serve_daemon.supervisor.ports import Ports
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Failing, Reason


class World:
    def __init__(self, spec: str) -> None:
        self.program, self.journal, self.clock = FakeProgram(), FakeJournal(), FakeClock()
        ports = Ports(self.program, self.journal, cast("Any", self.clock))
        self.group = Group("m", spec, SETTINGS, ports)

    def started(self) -> list[Instance]:
        self.group.start("test")
        self.ready(len(self.group.units))
        return self.serving

    def ready(self, count: int = 1) -> None:
        """The newest processes say that they are ready."""
        for each in self.program.spawned[-count:]:
            each.on_message(engine_ready())

    @property
    def serving(self) -> list[Instance]:
        return self.group.all_serving()

    def specs(self) -> str:
        return "".join(each.spec for each in self.serving)


@pytest.fixture
def world() -> World:
    return World("AA")


def test_it_serves_from_the_first_and_is_decided_with_the_last(world: World) -> None:
    """Its state is ready as soon as one is."""
    generation = world.group.start("test")
    first, second = world.program.spawned
    first.on_message(engine_ready())
    assert world.group.state is State.READY
    assert world.group.outcome(generation) is None
    second.on_message(engine_ready())
    assert world.group.outcome(generation) == ""
    assert world.journal.states == [State.STARTING, State.READY]


def test_a_death_leaves_the_others(world: World) -> None:
    """The whole stays ready, tells of the trouble, and the dead one comes back."""
    first, second = world.started()
    first.on_exit(-9)
    assert world.group.state is State.READY
    assert world.group.reason == "killed by SIGKILL"
    assert world.serving == [second]
    assert world.group.retry_at is not None
    world.clock.advance(60.0)
    world.ready()
    assert len(world.serving) == 2
    assert (world.group.reason, world.group.restarts) == ("", 1)


def test_a_change_replaces_one_after_the_other(world: World) -> None:
    """The second one's turn comes when the first is settled."""
    world.started()
    generation = world.group.replace("BB", "edit")
    assert len(world.program.spawned) == 3
    assert world.specs() == "AA"
    world.ready()
    assert world.specs() == "BA"
    assert len(world.program.spawned) == 4
    assert world.group.outcome(generation) is None
    world.ready()
    assert world.specs() == "BB"
    assert world.group.outcome(generation) == ""


def test_a_failure_takes_back_those_that_are_replaced(world: World) -> None:
    """All run what last worked for all, and the change has failed."""
    world.started()
    generation = world.group.replace("BB", "edit")
    world.ready()
    world.program.spawned[-1].on_exit(1)
    assert world.group.outcome(generation) == "exited with status 1"
    assert world.specs() == "BA"
    world.ready()
    assert world.specs() == "AA"
    assert world.group.spec == ("A", "A")
    assert world.group.outcome(generation) == "exited with status 1"
    assert world.group.outcome(world.group.generation) == ""


def test_what_can_not_be_spawned_goes_back_too(world: World) -> None:
    """Its failure is known before `replace` returns."""
    first, second = world.started()
    world.program.broken.add("B")
    generation = world.group.replace("AB", "edit")
    assert (world.group.outcome(generation) or "").startswith("can't be started")
    assert world.serving == [first, second]
    assert world.group.spec == ("A", "A")


def test_the_last_change_wins(world: World) -> None:
    """Whose turn hasn't come goes to the last one without a stop between."""
    world.started()
    first = world.group.replace("BB", "edit")
    world.ready()
    second = world.group.replace("CC", "edit")
    assert world.group.outcome(first) == "superseded by a later change"
    world.program.spawned[-1].on_exit(-15)
    for _ in range(2):
        world.ready()
    assert world.specs() == "CC"
    assert world.group.outcome(second) == ""


def test_more_and_fewer_leave_the_first_alone(world: World) -> None:
    """One to three and back: the first process is the same."""
    first, second = world.started()
    more = world.group.replace("AAA", "edit")
    world.ready()
    assert world.group.outcome(more) == ""
    assert len(world.serving) == 3
    world.group.replace("A", "edit")
    assert world.serving == [first]
    assert second in world.group.instances()
    for each in world.program.spawned[1:]:
        each.on_exit(0)
    assert world.group.instances() == [first]


def test_one_that_is_added_and_fails_is_no_more(world: World) -> None:
    """The change has failed; there are as many as before."""
    before = world.started()
    generation = world.group.replace("AAB", "edit")
    for _ in range(5):
        world.program.spawned[-1].on_exit(1)
        world.clock.advance(60.0)
    assert world.group.outcome(generation) == "exited with status 1"
    assert world.serving == before
    assert len(world.group.units) == 2


def test_a_forced_change_replaces_all_of_it(world: World) -> None:
    """As a restart does."""
    before = world.started()
    generation = world.group.replace(world.group.spec, "restart", force=True)
    for _ in range(2):
        world.ready()
    assert not set(before) & set(world.serving)
    assert world.group.outcome(generation) == ""


def test_a_stop_ends_a_change_half_way(world: World) -> None:
    """And the next start runs the new for all."""
    world.started()
    generation = world.group.replace("BB", "edit")
    world.group.stop("enough")
    assert world.group.outcome(generation) == "stopped meanwhile"
    for each in list(world.group.instances()):
        each.on_exit(0)
    assert world.group.state is State.STOPPED
    assert [each.spec for each in world.group.units] == ["B", "B"]
    world.group.start("again")
    world.ready(2)
    assert world.specs() == "BB"


def test_all_sleep_and_all_wake(world: World) -> None:
    """A change meanwhile wakes none, also of those that it adds."""
    world.started()
    world.group.sleep("idle")
    world.group.replace("BBB", "edit")
    assert len(world.program.spawned) == 2
    world.group.wake("a request")
    assert world.journal.states[-2:] == [State.ASLEEP, State.STARTING]


def test_one_that_never_starts_is_told_of_while_the_others_serve(world: World) -> None:
    """The start has failed, and can be tried again."""
    generation = world.group.start("test")
    first, second = world.program.spawned
    first.on_message(engine_ready())
    second.on_message(Failing(Reason.CONFIG, "as told"))
    second.on_exit(1)
    assert (world.group.state, world.group.reason) == (State.READY, "config: as told")
    assert world.group.outcome(generation) == "config: as told"
    again = world.group.start("again")
    world.ready()
    assert world.group.outcome(again) == ""
    assert len(world.serving) == 2


def test_what_works_for_some_is_gone_back_to(world: World) -> None:
    """A change that fails on top of it leaves those that serve, with what they serve."""
    world.group.start("test")
    first, second = world.program.spawned
    first.on_message(engine_ready())
    second.on_message(Failing(Reason.CONFIG, "as told"))
    second.on_exit(1)
    generation = world.group.replace("BB", "edit")
    world.program.spawned[-1].on_message(Failing(Reason.CONFIG, "this neither"))
    world.program.spawned[-1].on_exit(1)
    assert world.group.outcome(generation) == "config: this neither"
    assert (world.group.spec, world.serving) == (("A", "A"), [first])


def test_what_works_for_the_first_is_gone_back_to_while_the_others_still_load(
    world: World,
) -> None:
    """A change that fails then has failed, whoever starts the group again."""
    world.group.start("test")
    first = world.program.spawned[0]
    first.on_message(engine_ready())
    world.program.broken.add("B")
    generation = world.group.replace("B", "edit")
    world.group.start("again")
    assert (world.group.outcome(generation) or "").startswith("can't be started")
    assert (world.group.spec, world.serving) == (("A", "A"), [first])
