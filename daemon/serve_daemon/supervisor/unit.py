"""One supervised program, a model's engine or the gateway: what serves, what comes, what leaves.

All is synchronous: an event comes in, the state is changed, effects go out. So nothing can happen
in between, and every history is a list of calls. The rules:

- `serving` does the work. `coming` loads; once it is ready it serves, and what served leaves.
- A `coming` of a generation that nobody wants any more is made to leave, and the next one starts
  when it is gone, so that quick edits never run more than two.
- A replacement that fails while `serving` works is dropped, and the unit is as it was before.
- A unit that sleeps has no process; what it fell asleep with is gone before the next one starts.
"""

from typing import Any

from serve_daemon.supervisor.changes import Changes
from serve_daemon.supervisor.exits import Exit, LastExit, Result, Verdict, explain
from serve_daemon.supervisor.instance import Instance
from serve_daemon.supervisor.leaving import Leaving
from serve_daemon.supervisor.outcomes import outcome
from serve_daemon.supervisor.ports import Ports, UnitSettings
from serve_daemon.supervisor.restarts import Crashes, Retry
from serve_daemon.supervisor.states import Event, State, step
from serve_daemon.supervisor.wanted import Wanted


class Unit:
    def __init__(self, name: str, spec: Any, settings: UnitSettings, ports: Ports) -> None:
        self.name = name
        self.settings = settings
        self.state = State.STOPPED
        self.reason = ""
        self.since = ports.clock.time()
        self.serving: Instance | None = None
        self.coming: Instance | None = None
        self.leaving = Leaving(ports.program)
        self.crashes = Crashes()
        self.last_exit: LastExit | None = None
        self.retry = Retry(ports.clock, self._on_retry)
        self.changes = Changes()
        self._wanted = Wanted(spec)
        self._program = ports.program
        self._journal = ports.journal
        self._clock = ports.clock

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
        serving, self.serving = self.serving, None
        self._move(Event.SLEEP, reason)
        if serving is not None:
            self.leaving.release(serving, self.settings.limits, first=True)

    def stop(self, reason: str) -> None:
        """Finish what is open and run no more, until `start`."""
        if self.state in (State.STOPPED, State.DRAINING, State.STOPPING):
            return
        self.retry.cancel()
        self._wanted.forget()
        self._move(Event.DRAIN, reason)
        if self.coming is not None:
            self._abandon(self.coming)
        serving, self.serving = self.serving, None
        if serving is not None:
            self.leaving.release(serving, self.settings.limits)
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
        self._wanted.change(spec, None if force else self.serving)
        wanted = self.generation  # what can't even be spawned is gone from here at once
        self._journal.noted(self, reason)
        if self.state is State.BACKOFF:
            self.retry.cancel()
            self._move(Event.RETRY, reason)
        self._converge()
        self.changes.notify()  # whoever waits for an earlier generation need not any more
        return wanted

    def check(self) -> None:
        """Look after signs of life."""
        for each in self.instances():
            each.check(self.settings.limits.hang_seconds)

    # ------------------------------------------------------------ for those who look

    @property
    def spec(self) -> Any:
        return self._wanted.spec

    @property
    def generation(self) -> int:
        return self._wanted.generation

    def instances(self) -> list[Instance]:
        present = [each for each in (self.serving, self.coming) if each is not None]
        return present + sorted(self.leaving, key=lambda each: each.identity)

    def outcome(self, generation: int) -> str | None:
        """What became of a generation: "" it serves; else why not; None: not decided yet."""
        return self._wanted.failure_of(generation) or outcome(self, generation)

    async def settled(self, generation: int) -> str:
        """Wait for the outcome of a generation."""
        await self.changes.wait_for(lambda: self.outcome(generation) is not None)
        return self.outcome(generation) or ""

    async def stopped(self) -> None:
        await self.changes.wait_for(lambda: self.state is State.STOPPED and not self.instances())

    # ------------------------------------------------------------ what the instances do

    def on_ready(self, instance: Instance) -> None:
        before, self.serving, self.coming = self.serving, instance, None
        self._wanted.prove(instance)
        if before is None:
            self._move(Event.READY, "")
        else:
            self._journal.noted(self, f"{instance.identity} has replaced {before.identity}")
            self.leaving.release(before, self.settings.limits)
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
            self._on_coming_lost(instance, ended)
        self.changes.notify()

    def _on_serving_lost(self, ended: Exit) -> None:
        if self.coming is None:
            self._crash(ended)
        else:
            self.crashes.add(self._clock.time())
            self._move(Event.FALL_BACK, explain(ended).reason)

    def _on_coming_lost(self, instance: Instance, ended: Exit) -> None:
        reason = explain(ended).reason
        if not self._wanted.can_go_back(instance.generation):
            self._crash(ended)
            return
        self._wanted.go_back(instance.generation, reason)
        if self.serving is not None:
            self._journal.noted(self, f"the replacement failed, the old one goes on: {reason}")
        else:
            self._crash(ended, is_proven=True)

    def _crash(self, ended: Exit, *, is_proven: bool = False) -> None:
        """What is wanted has no process any more; `is_proven`: it was another that failed."""
        now = self._clock.time()
        explanation = explain(ended)
        self.crashes.add(now)
        delay = self.crashes.delay(self.settings.restarts, now)
        if (explanation.is_permanent and not is_proven) or delay is None:
            self._wanted.forget()
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
            self._abandon(self.coming)
        present = [each for each in (self.serving, self.coming) if each is not None]
        is_current = any(each.generation == self.generation for each in present)
        if not is_current and not self.leaving.must_end_first:
            self._spawn()

    def _spawn(self) -> None:
        identity = self._program.identify()
        instance = Instance(identity, self.spec, self.generation, owner=self, clock=self._clock)
        self.coming = instance
        try:
            self._program.spawn(instance)
        except OSError as error:
            verdict = Verdict(Result.SPAWN, f"can't be started: {error}")
            self.on_exit(instance, Exit(None, verdict=verdict))
            return
        instance.watch_start(self.settings.limits.start_seconds)

    def _abandon(self, instance: Instance) -> None:
        """What isn't ready yet has nothing to finish."""
        self.coming = None
        self.leaving.abandon(instance)

    def _note_if_all_left(self) -> None:
        if self.state in (State.DRAINING, State.STOPPING) and not self.leaving:
            self._move(Event.EXITED, self.reason)

    def _move(self, event: Event, reason: str) -> None:
        old, self.state = self.state, step(self.state, event)
        self.reason = reason
        self.since = self._clock.time()
        self._journal.moved(self, old, reason)
        self.changes.notify()
