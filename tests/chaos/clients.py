"""Closed-loop streaming clients that notice every token that is lost, doubled or late for ever."""

import asyncio
from dataclasses import dataclass, field

import httpx

from chaos.questions import Answer, Question
from chaos.tally import Tally

# Without a word of the answer, after which it counts as hung; a machine that others use is slow.
PATIENCE_SECONDS = 300.0


@dataclass
class Clients:
    """They ask the questions in turn until told to leave."""

    url: str
    questions: list[Question]
    expected: list[str]
    tally: Tally
    open: set[int] = field(default_factory=set)
    may_be_cut: set[int] = field(default_factory=set)  # held by a gateway that was killed
    _leave: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, number: int) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            turn = number
            while not self._leave.is_set():
                self.open.add(number)
                await self._ask(client, number, turn % len(self.questions))
                self.open.discard(number)
                self.may_be_cut.discard(number)
                turn += 1

    def leave(self) -> None:
        self._leave.set()

    async def _ask(self, client: httpx.AsyncClient, number: int, which: int) -> None:
        limit = asyncio.timeout(PATIENCE_SECONDS)
        answer = Answer(lambda: _extend(limit))
        try:
            async with limit:
                await self.questions[which].ask(client, answer)
        except (httpx.TransportError, AssertionError, TimeoutError) as error:
            if number in self.may_be_cut and isinstance(error, httpx.TransportError):
                self.tally.cut += 1
            else:
                said = f"{type(error).__name__}: {error}"
                self.tally.losses.append(f"question {which} after {answer.text!r}: {said}")
            return
        self.tally.answered += 1
        self.tally.texts[answer.text == self.expected[which]] += 1


def _extend(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time() + PATIENCE_SECONDS)


async def undisturbed(url: str, questions: list[Question]) -> list[str]:
    """The texts that are to come, all asked at once."""
    answers = [Answer() for _ in questions]
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        asked = [each.ask(client, to) for each, to in zip(questions, answers, strict=True)]
        await asyncio.gather(*asked)
    return [each.text for each in answers]
