"""Closed-loop streaming clients that notice every token that is lost, doubled or late for ever."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from chaos.tally import Tally
from integration.streams import stream_response

PATIENCE_SECONDS = 120.0  # for one request, after which it counts as hung


@dataclass
class Clients:
    """They ask the questions in turn until told to leave."""

    url: str
    questions: list[dict[str, Any]]
    expected: list[str]
    tally: Tally
    is_cutting: bool = False  # a gateway is being killed: what it holds may end
    open: set[int] = field(default_factory=set)
    _leave: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, number: int) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            turn = number
            while not self._leave.is_set():
                self.open.add(number)
                await self._ask(client, turn % len(self.questions))
                self.open.discard(number)
                turn += 1

    def leave(self) -> None:
        self._leave.set()

    async def _ask(self, client: httpx.AsyncClient, which: int) -> None:
        text = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for delta in stream_response(client, **self.questions[which]):
                    text += delta
        except (httpx.TransportError, AssertionError, TimeoutError) as error:
            if self.is_cutting and isinstance(error, httpx.TransportError):
                self.tally.cut += 1
            else:
                said = f"{type(error).__name__}: {error}"
                self.tally.losses.append(f"question {which} after {text!r}: {said}")
            return
        self.tally.answered += 1
        self.tally.texts[text == self.expected[which]] += 1
