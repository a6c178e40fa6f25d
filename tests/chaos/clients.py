"""Closed-loop streaming clients that notice every token that is lost, doubled or late for ever."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from chaos.tally import Tally
from integration.streams import response_events

PATIENCE_SECONDS = 120.0  # for one request, after which it counts as hung


@dataclass
class Clients:
    """They ask the questions in turn until told to leave."""

    url: str
    questions: list[dict[str, Any]]
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
        text = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for event in response_events(client, **self.questions[which]):
                    text += event.get("delta", "")
                self._check_length(which, event["response"])
        except (httpx.TransportError, AssertionError, TimeoutError) as error:
            if number in self.may_be_cut and isinstance(error, httpx.TransportError):
                self.tally.cut += 1
            else:
                said = f"{type(error).__name__}: {error}"
                self.tally.losses.append(f"question {which} after {text!r}: {said}")
            return
        self.tally.answered += 1
        self.tally.texts[text == self.expected[which]] += 1

    def _check_length(self, which: int, response: dict[str, Any]) -> None:
        """An answer without an end of its own has every token that was asked for, once."""
        question = self.questions[which]
        if question.get("ignore_eos"):
            assert response["usage"]["output_tokens"] == question["max_output_tokens"]
