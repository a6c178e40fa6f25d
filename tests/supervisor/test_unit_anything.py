"""Any sequence of wishes and events: what must hold after each, and how it ends."""

import signal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fakes.units import World, heartbeat
from serve_daemon.supervisor.instance import Instance, Phase
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Failing, Reason

SPECS = ["A", "B", "C", "unspawnable"]
IDLE = {State.STOPPED, State.ASLEEP, State.BACKOFF, State.FAILED}
NOT_LOADING = IDLE | {State.DRAINING, State.STOPPING}


class AnyHistory(RuleBasedStateMachine):
    """Wishes come at any time, processes do as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.world.program.broken = {"unspawnable"}
        self.unit = self.world.unit
        self.is_wanted = self.may_sleep = False

    # ------------------------------------------------------------ wishes

    @rule()
    def start(self) -> None:
        self.unit.start("start")
        self.is_wanted, self.may_sleep = True, False

    @rule(now=st.booleans())
    def stop(self, *, now: bool) -> None:
        (self.unit.stop_now if now else self.unit.stop)("stop")
        self.is_wanted = self.may_sleep = False

    @rule()
    def sleep(self) -> None:
        self.unit.sleep("idle")
        self.may_sleep = self.unit.state is State.ASLEEP

    @rule()
    def wake(self) -> None:
        was_asleep = self.unit.state is State.ASLEEP
        self.unit.wake("request")
        if was_asleep:
            self.is_wanted, self.may_sleep = True, False

    @rule(spec=st.sampled_from(SPECS), force=st.booleans())
    def replace(self, spec: str, *, force: bool) -> None:
        generation = self.unit.replace(spec, "edit", force=force)
        outcome = self.unit.outcome(generation)
        is_asleep = self.unit.state is State.ASLEEP
        assert outcome is None or outcome or is_asleep or self.unit.serving is not None

    # ------------------------------------------------------------ events

    def _pick(self, number: int, *phases: Phase) -> Instance | None:
        found = [each for each in self.world.present if each.phase in phases]
        return found[number % len(found)] if found else None

    @precondition(lambda self: self.world.present)
    @rule(number=st.integers(0, 9))
    def become_ready(self, number: int) -> None:
        if engine := self._pick(number, Phase.STARTING):
            self.world.ready_is(engine)

    @precondition(lambda self: self.world.present)
    @rule(number=st.integers(0, 9), status=st.sampled_from([0, 1, -signal.SIGKILL]))
    def exit(self, number: int, status: int) -> None:
        if engine := self._pick(number, *Phase):
            engine.on_exit(status)

    @precondition(lambda self: self.world.present)
    @rule(number=st.integers(0, 9), reason=st.sampled_from(Reason))
    def fail(self, number: int, reason: Reason) -> None:
        if engine := self._pick(number, Phase.STARTING, Phase.READY):
            engine.on_message(Failing(reason, "as told"))
            engine.on_exit(1)

    @rule(seconds=st.sampled_from([0.5, 3.0, 7.0, 15.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @precondition(lambda self: self.world.present)
    @rule(number=st.integers(0, 9), stalled=st.sampled_from([0.0, 30.0]))
    def beat(self, number: int, stalled: float) -> None:
        if engine := self._pick(number, *Phase):
            engine.on_message(heartbeat(stalled))

    @rule()
    def check(self) -> None:
        self.unit.check()

    # ------------------------------------------------------------ what always holds

    @invariant()
    def no_process_is_lost_or_doubled(self) -> None:
        """All that run are known, and two of one generation never work beside each other."""
        assert set(self.unit.instances()) == set(self.world.present)
        assert len(self.unit.instances()) == len(self.world.present)
        serving, coming = self.unit.serving, self.unit.coming
        assert serving is None or coming is None or serving.generation != coming.generation
        assert coming is None or coming.generation == self.unit.generation

    @invariant()
    def the_state_is_true(self) -> None:
        """It says what the processes are."""
        state, leaving = self.unit.state, self.unit.leaving
        assert (state is State.READY) == (self.unit.serving is not None)
        if state in NOT_LOADING:
            assert self.unit.coming is None
        if state in (State.DRAINING, State.STOPPING):
            assert leaving
        assert (state is State.BACKOFF) == (self.unit.retry.at is not None)

    @invariant()
    def what_is_wanted_is_served_or_under_way(self) -> None:
        """Never is there nothing that leads on to what is wanted."""
        state = self.unit.state
        if self.may_sleep:
            assert state is State.ASLEEP
        elif self.is_wanted:
            assert state in (State.STARTING, State.READY, State.BACKOFF, State.FAILED)
        else:
            assert state in (State.STOPPED, State.DRAINING, State.STOPPING)
        if state in (State.STARTING, State.READY):
            working = [each for each in (self.unit.serving, self.unit.coming) if each is not None]
            is_served = any(each.generation == self.unit.generation for each in working)
            assert is_served or self.unit.leaving.must_end_first

    # ------------------------------------------------------------ how it ends

    def teardown(self) -> None:
        """Once everybody does as told, the unit is where the last wish wants it."""
        self._settle()
        if self.may_sleep:
            assert self.unit.state is State.ASLEEP
            assert self.unit.instances() == []
        elif self.is_wanted:
            assert self.unit.state in (State.READY, State.FAILED)
            self.unit.replace("B", "edit")
            self.unit.start("start")
            self._settle()
            assert self.unit.state is State.READY
            assert [each.spec for each in self.unit.instances()] == ["B"]
        else:
            assert self.unit.state is State.STOPPED
            assert self.unit.instances() == []

    def _settle(self) -> None:
        """Processes obey; time passes where none has anything to do."""
        for _ in range(100):
            busy = [each for each in self.world.present if each.phase is not Phase.READY]
            for each in busy:
                if each.phase is Phase.STARTING:
                    self.world.ready_is(each)
                else:
                    each.on_exit(0)
            if not busy:
                if self.unit.state is not State.BACKOFF:
                    return
                self.world.clock.advance(7.0)
        raise AssertionError("it does not settle")


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
