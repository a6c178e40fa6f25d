"""What an endpoint says of a request's answers, be it one or several."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

import falcon.asgi
from falcon.asgi import SSEvent

from serve_daemon.api.errors import ErrorBody
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.api.usage import CompletionTokensDetails, PromptTokensDetails, TokenUsage
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.answers.reply import send
from serve_daemon.gateway.chat.choices import Choices, Part
from serve_daemon.gateway.common.pieces import Piece
from serve_daemon.gateway.http.exchange import Exchange

Counted = Completion | Choices  # both count their tokens


class ChoiceWords(Protocol):
    """An endpoint's words for one choice."""

    def begin(self) -> Iterable[SSEvent]:
        """The events before its first piece."""

    def tell(self, pieces: Sequence[Piece]) -> Iterable[SSEvent]:
        """The events for these pieces."""

    def end(self) -> Iterable[SSEvent]:
        """The events after its last piece."""


Words = TypeVar("Words", bound=ChoiceWords)


class ReplyWords(Protocol[Words]):
    """An endpoint's words for what the choices of a reply have in common."""

    def choice(self, completion: Completion, index: int) -> Words:
        """Who speaks for one of them."""

    def end(self, source: Counted) -> Iterable[SSEvent]:
        """The events after the end of the last choice."""

    def fail(self, error: ErrorBody) -> Iterable[SSEvent]:
        """The events that end a stream which can't go on."""

    def whole(self, choices: Sequence[tuple[Words, Sequence[Piece]]], source: Counted) -> bytes:
        """The reply without streaming."""


class OneAnswer(Generic[Words]):
    """Of a reply that has one choice."""

    def __init__(self, reply: ReplyWords[Words], completion: Completion) -> None:
        self._reply = reply
        self._completion = completion
        self._choice = reply.choice(completion, 0)
        self.begin = self._choice.begin
        self.tell = self._choice.tell

    def end(self) -> Iterator[SSEvent]:
        yield from self._choice.end()
        yield from self._reply.end(self._completion)

    def fail(self, error: ErrorBody) -> Iterable[SSEvent]:
        return self._reply.fail(error)

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        return self._reply.whole([(self._choice, pieces)], self._completion)


class ManyAnswers(Generic[Words]):
    """Of a reply that has several choices, each of which begins and ends in its own time."""

    def __init__(self, reply: ReplyWords[Words], source: Choices) -> None:
        self._reply = reply
        self._source = source
        self._choices: dict[int, Words] = {}  # those that have begun to speak

    def begin(self) -> Iterable[SSEvent]:
        return ()

    def tell(self, pieces: Sequence[Part]) -> Iterator[SSEvent]:
        for part in pieces:
            if part.index not in self._choices:
                self._choices[part.index] = self._choice(part.index)
                yield from self._choices[part.index].begin()
            if part.pieces:
                yield from self._choices[part.index].tell(part.pieces)
            if part.is_end:
                yield from self._choices[part.index].end()

    def end(self) -> Iterable[SSEvent]:
        return self._reply.end(self._source)

    def fail(self, error: ErrorBody) -> Iterable[SSEvent]:
        return self._reply.fail(error)

    def whole(self, pieces: Sequence[Part]) -> bytes:
        told: dict[int, list[Piece]] = defaultdict(list)
        for part in pieces:
            told[part.index] += part.pieces
        choices = [(self._choice(index), told[index]) for index in sorted(told)]
        return self._reply.whole(choices, self._source)

    def _choice(self, index: int) -> Words:
        return self._reply.choice(self._source.completions[index], index)


def usage_of(source: Counted) -> TokenUsage:
    """The tokens of all choices, as chat completions and completions tell them."""
    return TokenUsage(
        prompt_tokens=source.prompt_tokens,
        completion_tokens=source.completion_tokens,
        total_tokens=source.prompt_tokens + source.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(source.cached_tokens),
        completion_tokens_details=CompletionTokensDetails(source.reasoning_tokens),
    )


def source_of(
    requests: Sequence[GenerationRequest], n: int, exchange: Exchange, models: Models
) -> Counted:
    """What answers each of the requests, which are alike but for their prompts, `n` times.

    Raises `ApiError` as the admission of each does.
    """
    if len(requests) * n == 1:
        return Completion(requests[0], exchange, models)
    return Choices(requests, n, exchange, models)


async def respond(
    response: falcon.asgi.Response, source: Counted, reply: ReplyWords[Words]
) -> None:
    """Let `response` carry the answers in the words of `reply`. Raises `ApiError`."""
    if isinstance(source, Completion):
        await send(response, source, OneAnswer(reply, source))
    else:
        await send(response, source, ManyAnswers(reply, source))
