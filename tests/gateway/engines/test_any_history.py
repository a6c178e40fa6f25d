"""Whatever engines do, in whatever order: every token of an answer comes once, and an end."""

import asyncio
from unittest import mock

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.scripted_engines import READY, ScriptedEngine, ScriptedModel, settle
from fakes.scripted_requests import LENGTH, begin
from serve_daemon.gateway.engines import errand, verdicts
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.errand import MAX_FAILURES

MAX_CRASHES = 2  # the third may be a verdict of guilty

# One event: what happens, to which engine, to which of its sequences, with how many tokens.
KINDS = [
    "looked",
    "tokens",
    "silent end",
    "crash",
    "kill",
    "break",
    "refuse",
    "add",
    "replace",
    "idle",
]
EVENTS = st.tuples(
    st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9), st.integers(1, LENGTH)
)


class Play:
    """Has events happen, as far as they can, and keeps those scarce that end requests."""

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        self.crashes = 0
        self.faults = 0
        self._looking: list[asyncio.Future[bool]] = []

    async def fits(self, _engine: Engine) -> bool:
        """Looking at an engine's tokens takes a while, in which anything may happen."""
        self._looking.append(asyncio.get_running_loop().create_future())
        return await self._looking[-1]

    def look(self) -> None:
        """Have all who look be done with it."""
        while self._looking:
            self._looking.pop().set_result(True)

    async def happen(self, kind: str, engine_number: int, number: int, count: int) -> None:
        engines = [each for each in self.model.engines if each.is_connected]
        if not engines:
            self.model.add()
            return
        engine = engines[engine_number % len(engines)]
        if kind == "looked":
            self.look()
        if engine.work:
            self._to_sequence(kind, engine, sorted(engine.work)[number % len(engine.work)], count)
        self._to_engine(kind, engine)
        await settle()

    def _to_sequence(self, kind: str, engine: ScriptedEngine, sequence: int, count: int) -> None:
        match kind:
            case "tokens":
                engine.generate(sequence, count)
            case "silent end":
                engine.generate(sequence, LENGTH, tells_end=False)
                self.model.end(engine, crashed=False)
            case "refuse" if self._may_fail():
                self.faults += engine.refuse(sequence)

    def _to_engine(self, kind: str, engine: ScriptedEngine) -> None:
        match kind:
            case "break" if self._may_fail():
                self.faults += 1
                engine.go()
                engine._connect_again()
            case "crash" if self.crashes < MAX_CRASHES:
                self.crashes += 1
                self.model.end(engine, crashed=True)
            case "kill":
                self.model.end(engine, crashed=False)
            case "add":
                self.model.add()
            case "replace":
                self.model.add()
                self.model.withdraw(engine)

    def _may_fail(self) -> bool:
        return self.faults < MAX_FAILURES - 1

    async def finish(self, readers: "list[asyncio.Task[None]]") -> None:
        """Let everything go well from here on."""
        self.model.add()
        async with asyncio.timeout(20):
            while not all(reader.done() for reader in readers):
                self.look()
                for engine in self.model.engines:
                    for number in list(engine.work):
                        engine.generate(number, 1)
                await asyncio.sleep(0.001)
        for reader in readers:
            reader.result()


@given(
    events=st.lists(EVENTS, max_size=25), requests=st.integers(1, 6), slots=st.sampled_from([1, 4])
)
@settings(max_examples=200, deadline=None)
def test_the_tokens_are_those_of_an_engine_that_never_fails(
    events: list[tuple[str, int, int, int]], requests: int, slots: int
) -> None:
    """Whatever crashes, is killed, withdrawn, cut off, refuses, or does not tell the end.

    Whoever has to wait for a turn gets it.
    """

    async def play() -> None:
        model = ScriptedModel(ready=msgspec.structs.replace(READY, max_requests=slots))
        model.add()
        acts = Play(model)
        readers = [begin(model, 3 + number, acts.fits)[1] for number in range(requests)]
        await settle()
        for event in events:
            await acts.happen(*event)
        await acts.finish(readers)
        assert all(engine.load.sequences == 0 for engine in model.engines)
        assert not model.table.dispatch("m").turns._turns

    with (
        mock.patch.object(verdicts, "PATIENCE_SECONDS", 0.001),
        mock.patch.object(errand, "IDLE_SECONDS", 0.01),
        mock.patch("serve_daemon.gateway.engines.waiting.IDLE_SECONDS", 0.01),
    ):
        asyncio.run(play())
