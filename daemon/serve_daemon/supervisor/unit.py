"""One supervised program, a model's engine or the gateway: what serves, what comes, what leaves.

All is synchronous: an event comes in, the state is changed, effects go out. So nothing can happen
in between, and every history is a list of calls. The rules:

- `serving` does the work. `coming` loads; once it is ready it serves, and what served leaves.
- A `coming` of a generation that nobody wants any more is made to leave, and the next one starts
  when it is gone, so that quick edits never run more than two.
- A replacement that fails while `serving` works is dropped, and the unit is as it was before.
- Where both have no room, what serves leaves first; should its successor fail, it comes back.
- A unit that sleeps has no process; what it fell asleep with is gone before the next one starts.
"""

from typing import Any

from serve_daemon.supervisor.changes import Changes
from serve_daemon.supervisor.exits import Exit, LastExit, Result, Verdict, explain
from serve_daemon.supervisor.instance import Instance
from serve_daemon.supervisor.outcomes import outcome
from serve_daemon.supervisor.placement import Placement
from serve_daemon.supervisor.ports import Ports, UnitSettings
from serve_daemon.supervisor.processes import Processes
from serve_daemon.supervisor.restarts import Crashes, Retry
from serve_daemon.supervisor.states import Event, State, step
from serve_daemon.supervisor.wanted import Wanted


class Unit(Processes):
    def __init__(self, name: str, spec: Any, settings: UnitSettings, ports: Ports) -> None:
        super().__init__(ports)
        self.name = name
        self.settings = settings
        self.state = State.STOPPED
        self.reason = ""
        self.since = ports.clock.time()
        self.crashes = Crashes()
        self.last_exit: LastExit | None = None
        self.retry = Retry(ports.clock, self._on_retry)
        self.changes = Changes()
        self.wanted = Wanted(spec)
        self._made_room = False  # what served has left for its successor, and may have to come back
        self._placement = Placement.BESIDE  # the last decision about room
        self._room = ports.room
        self._journal = ports.journal

    # ------------------------------------------------------------ wishes

    def start(self, reason: str, *, wake: bool = True) -> int:
        """Run, if it doesn't, whatever it was that kept it. Returns the generation to wait for.

        Without `wake`, let sleep what sleeps.
        """
        wanted = self.generation
        if self.state is State.ASLEEP and not wake:
            return wanted
        if self.state not in (State.STARTING, State.READY):
            self.crashes.forget()
            self.retry.cancel()
            self._move(Event.START, reason)
            self._converge()
        return wanted

    def wake(self, reason: str) -> None:
        """Run, if all that kept it from that is sleep."""
        if self.state is State.ASLEEP:
            self.start(reason)

    def sleep(self, reason: str) -> None:
        """Finish what is open and have no process until `wake`, unless a change is under way."""
        if self.coming is not None or self.state not in (State.STOPPED, State.READY):
            return
        self._make_room(Event.SLEEP, reason)

    def stop(self, reason: str) -> None:
        """Finish what is open and run no more, until `start`."""
        if self.state in (State.STOPPED, State.DRAINING, State.STOPPING):
            return
        self.retry.cancel()
        self.wanted.forget()
        self._move(Event.DRAIN, reason)
        self._abandon_coming()
        self._release_serving(self.settings.limits)
        self._note_if_all_left()

    def stop_now(self, reason: str) -> None:
        """Leave at once; what is open is lost."""
        self.stop(reason)
        if self.state is State.DRAINING:
            self._move(Event.STOP, reason)
        for each in self.leaving:
            each.terminate()

    def replace(self, spec: Any, reason: str, *, force: bool = False) -> int:
        """Run `spec`, ready before what serves now leaves. Returns the generation to wait for.

        With `force`, also where the spec is the same.
        """
        if spec == self.spec and not force:
            return self.generation
        self.crashes.forget()
        self.wanted.change(spec, None if force else self.serving)
        wanted = self.generation  # what can't even be spawned is gone from here at once
        self._journal.noted(self, reason)
        if self.state is State.BACKOFF:
            self.retry.cancel()
            self._move(Event.RETRY, reason)
        self._converge()
        self.changes.notify()  # whoever waits for an earlier generation need not any more
        return wanted

    def reconsider(self) -> None:
        """There may be room by now for what waits for it, or was refused."""
        is_refused = self.state is State.FAILED and self._placement is Placement.REFUSE
        if is_refused and self._room.place(self).placement is Placement.BESIDE:
            self._move(Event.START, "there is room now")
        self._converge()

    def check(self) -> None:
        """Look after signs of life."""
        for each in self.instances():
            each.check(self.settings.limits.hang_seconds)

    # ------------------------------------------------------------ for those who look

    @property
    def spec(self) -> Any:
        return self.wanted.spec

    @property
    def waits_for_room(self) -> bool:
        return self._placement is Placement.WAIT and not self.works_on(self.generation)

    @property
    def generation(self) -> int:
        return self.wanted.generation

    def has_stopped(self) -> bool:
        return self.state is State.STOPPED and not self.instances()

    def outcome(self, generation: int) -> str | None:
        return self.wanted.failure_of(generation) or outcome(self, generation)

    # ------------------------------------------------------------ what the instances do

    def on_ready(self, instance: Instance) -> None:
        before = self._take_over(instance, self.settings.limits)
        self._made_room = False
        self.wanted.prove(instance)
        if before is None:
            self._move(Event.READY, "")
        else:
            self._journal.noted(self, f"{instance.identity} has replaced {before.identity}")
        self.changes.notify()

    def on_exit(self, instance: Instance, ended: Exit) -> None:
        self.last_exit = LastExit(instance.identity, self._clock.time(), ended)
        if instance in self.leaving:
            self.leaving.discard(instance)
            self._journal.noted(self, f"{instance.identity} has left")
            self._note_if_all_left()
            self._converge()
        elif instance is self.serving:
            self.serving = None
            self._on_serving_lost(ended)
        else:
            self.coming = None
            self._on_coming_lost(instance.generation, ended)
        self.changes.notify()

    def _on_serving_lost(self, ended: Exit) -> None:
        if self.coming is None:
            self._crash(ended)
        else:
            self.crashes.add(self._clock.time())
            self._move(Event.FALL_BACK, explain(ended).reason)

    def _on_coming_lost(self, generation: int, ended: Exit) -> None:
        reason = explain(ended).reason
        if not self.wanted.can_go_back(generation):
            self._crash(ended)
            return
        self.wanted.go_back(generation, reason)
        if self.serving is not None:
            self._journal.noted(self, "the replacement failed, the old one goes on", reason)
        elif self._made_room:
            self._made_room = False
            self._journal.noted(self, "the replacement failed, the old one comes back", reason)
            self._converge()
        else:
            self._crash(ended, is_proven=True)

    def _crash(self, ended: Exit, *, is_proven: bool = False) -> None:
        """What is wanted has no process any more; `is_proven`: it was another that failed."""
        now = self._clock.time()
        explanation = explain(ended)
        self.crashes.add(now)
        delay = self.crashes.delay(self.settings.restarts, now)
        if (explanation.is_permanent and not is_proven) or delay is None:
            self.wanted.forget()
            self._move(Event.GIVE_UP, explanation.reason)
            return
        self.retry.plan(delay)
        self._move(Event.CRASHED, explanation.reason)

    def _on_retry(self) -> None:
        self.retry.cancel()
        self._move(Event.RETRY, self.reason)
        self._converge()

    # ------------------------------------------------------------ towards what is wanted

    def _converge(self) -> None:
        if self.state not in (State.STARTING, State.READY):
            return
        if self.coming is not None and self.coming.generation != self.generation:
            self._abandon_coming()
        if not self.works_on(self.generation) and not self.leaving.must_end_first:
            self._place()

    def _place(self) -> None:
        """Start what is wanted as soon as there is room."""
        decision = self._room.place(self)
        before, self._placement = self._placement, decision.placement
        match decision.placement:
            case Placement.BESIDE:
                self._spawn(self.spec, self.generation, self.settings.limits)
            case Placement.SWAP:
                self._made_room = True
                self._make_room(Event.MAKE_ROOM, "its successor has no room beside it")
            case Placement.REFUSE:
                verdict = Verdict(Result.ROOM, decision.reason)
                self._on_coming_lost(self.generation, Exit(None, verdict=verdict))
            case Placement.WAIT if before is not Placement.WAIT:
                self._journal.noted(self, "waits until others have left room")

    def _make_room(self, event: Event, reason: str) -> None:
        """Have what serves leave, and be gone before anything else starts."""
        self._release_serving(self.settings.limits, first=True)
        self._move(event, reason)

    def _note_if_all_left(self) -> None:
        if self.state in (State.DRAINING, State.STOPPING) and not self.leaving:
            self._move(Event.EXITED, self.reason)

    def _move(self, event: Event, reason: str) -> None:
        old, self.state = self.state, step(self.state, event)
        self.reason = reason
        self.since = self._clock.time()
        self._journal.moved(self, old, reason)
        self.changes.notify()
