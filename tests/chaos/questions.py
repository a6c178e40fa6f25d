"""What clients ask, at either endpoint, and what has come of an answer so far."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from integration.streams import chat_chunks, response_events


def _nothing() -> None:
    """What most readers do at a piece of text."""


@dataclass
class Answer:
    """As much of it as has been read; the number of tokens comes at its end."""

    on_text: Callable[[], object] = _nothing
    text: str = ""
    num_tokens: int = 0

    def add(self, text: str) -> None:
        self.text += text
        if text:
            self.on_text()


@dataclass(frozen=True)
class Question:
    """A prompt, and how it is to be answered. `max_tokens`: 0 is until the model ends."""

    prompt: str
    max_tokens: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    is_chat: bool = False

    async def ask(self, client: httpx.AsyncClient, answer: Answer) -> None:
        """Stream it into `answer`. Raises `AssertionError` where its parts don't fit together.

        An answer that may not end by itself has every token that was asked for, once.
        """
        await (_chat if self.is_chat else _respond)(self, client, answer)
        if self.fields.get("ignore_eos"):
            assert answer.num_tokens == self.max_tokens

    def limit(self, name: str) -> dict[str, int]:
        return {name: self.max_tokens} if self.max_tokens else {}


async def _respond(question: Question, client: httpx.AsyncClient, answer: Answer) -> None:
    request = {"model": "m", "input": question.prompt, **question.limit("max_output_tokens")}
    async for event in response_events(client, **request, **question.fields):
        answer.add(event.get("delta", ""))
    answer.num_tokens = event["response"]["usage"]["output_tokens"]


async def _chat(question: Question, client: httpx.AsyncClient, answer: Answer) -> None:
    messages = [{"role": "user", "content": question.prompt}]
    request = {"model": "m", "messages": messages, **question.limit("max_tokens")}
    async for chunk in chat_chunks(client, **request, **question.fields):
        for choice in chunk["choices"]:
            answer.add(choice["delta"].get("content") or "")
    answer.num_tokens = chunk["usage"]["completion_tokens"]
