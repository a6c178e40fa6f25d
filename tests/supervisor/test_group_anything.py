"""Whatever happens to the replicas of a model, on a machine that is too small for them."""

import signal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fakes.rooms import SmallGroup
from fakes.units import engine_ready
from serve_daemon.supervisor.instance import Instance, Phase
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Failing, Reason

GIBIBYTES = 12
SIZES = {"A": 4, "B": 5, "C": 6, "D": 13}
MOST = 3
SPECS = st.builds(str.__mul__, st.sampled_from("ABCD"), st.integers(1, MOST))
RESTING = {State.STOPPED, State.DRAINING, State.STOPPING}


class AnyHistory(RuleBasedStateMachine):
    """Wishes come at any time, processes do as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.world = SmallGroup(GIBIBYTES, "AA", **SIZES)
        self.group = self.world.group

    # ------------------------------------------------------------ wishes

    @rule()
    def start(self) -> None:
        self.group.start("start")

    @rule(now=st.booleans())
    def stop(self, *, now: bool) -> None:
        (self.group.stop_now if now else self.group.stop)("stop")

    @rule()
    def sleep(self) -> None:
        self.group.sleep("idle")

    @rule()
    def wake(self) -> None:
        self.group.wake("request")

    @rule(spec=SPECS, force=st.booleans())
    def replace(self, spec: str, *, force: bool) -> None:
        self.group.replace(spec, "edit", force=force)

    # ------------------------------------------------------------ events

    def _pick(self, number: int, *phases: Phase) -> Instance | None:
        found = [each for each in self.group.instances() if each.phase in phases]
        return found[number % len(found)] if found else None

    @precondition(lambda self: self.group.instances())
    @rule(number=st.integers(0, 9))
    def become_ready(self, number: int) -> None:
        if engine := self._pick(number, Phase.STARTING):
            engine.on_message(engine_ready())

    @precondition(lambda self: self.group.instances())
    @rule(number=st.integers(0, 9), status=st.sampled_from([0, 1, -signal.SIGKILL]))
    def exit(self, number: int, status: int) -> None:
        if engine := self._pick(number, *Phase):
            engine.on_exit(status)

    @precondition(lambda self: self.group.instances())
    @rule(number=st.integers(0, 9), reason=st.sampled_from(Reason))
    def fail(self, number: int, reason: Reason) -> None:
        if engine := self._pick(number, Phase.STARTING, Phase.READY):
            engine.on_message(Failing(reason, "as told"))
            engine.on_exit(1)

    @rule(seconds=st.sampled_from([0.5, 3.0, 7.0, 15.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def reconsider(self) -> None:
        self.world.small.room.reconsider()

    # ------------------------------------------------------------ what always holds

    @invariant()
    def no_process_is_lost(self) -> None:
        """All that run are known, each once."""
        present = [each for each in self.world.program.spawned if each.phase is not Phase.GONE]
        assert set(self.group.instances()) == set(present)
        assert len(self.group.instances()) == len(present)

    @invariant()
    def there_are_never_more_engines_than_have_room(self) -> None:
        """Nor more of one unit than the one that serves and the one that comes."""
        sizes = [SIZES[each.spec] for each in self.group.instances()]
        assert sum(sizes) <= GIBIBYTES
        for unit in self.group.all_units():
            assert len(unit.working()) <= 2

    @invariant()
    def who_is_ready_is_in_the_table(self) -> None:
        """So it is never empty while one could serve, and what leaves is not in it."""
        ready = [each for each in self.group.instances() if each.phase is Phase.READY]
        assert set(self.group.all_serving()) == set(ready)
        serving = [each for each in self.group.units if each.serving is not None]
        assert (self.group.state is State.READY) == bool(serving)

    @invariant()
    def what_is_wanted_is_served_or_under_way(self) -> None:
        """Each unit that is to start has its engine, or waits for memory."""
        for unit in self.group.units:
            if unit.state is State.STARTING and not unit.working():
                assert unit.waits_for_room or unit.leaving.must_end_first

    @invariant()
    def a_decided_change_is_decided_for_all(self) -> None:
        """Where nothing has failed, all run what is wanted."""
        if self.group.state is State.READY and self.group.outcome(self.group.generation) == "":
            assert [each.spec for each in self.group.all_serving()][: len(self.group.spec)]
            assert [each.spec for each in self.group.units] == list(self.group.spec)

    # ------------------------------------------------------------ how it ends

    def teardown(self) -> None:
        """Once everybody does as told, what has room runs, and nothing else is left."""
        self.group.start("start")
        self._settle()
        generation = self.group.replace("AA", "edit")
        self.group.start("start")
        self._settle()
        assert self.group.outcome(generation) in {"", "superseded by a later change"}
        assert self.world.specs() == "AA"
        assert len(self.group.instances()) == 2

    def _settle(self) -> None:
        """Processes obey; time passes where none has anything to do."""
        for _ in range(200):
            if not self.world.obey():
                if self.group.retry_at is None:
                    return
                self.world.clock.advance(7.0)
        raise AssertionError("it does not settle")


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
