"""Answers told without HTTP: pieces in, the events and the output of a response out."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
from falcon.asgi import SSEvent

from fakes.completions import FakeCompletion
from gateway.items.response_stream import check_stream
from serve_daemon.api.responses import ResponsesRequest, responses_request
from serve_daemon.gateway.answers.completion import Completion
from serve_daemon.gateway.common.pieces import CallArguments, CallBegins, Piece
from serve_daemon.gateway.items.events import ResponseAnswer

TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
CALL: list[Piece] = [
    CallBegins(0, "call_1", "look"),
    CallArguments(0, '{"at":'),
    CallArguments(0, "1}"),
]


def request(**fields: Any) -> ResponsesRequest:
    return responses_request({"model": "m", "input": "hi", "tools": [TOOL], **fields})


def answer_to(
    wanted: ResponsesRequest, completion: FakeCompletion | None = None, **fields: Any
) -> ResponseAnswer:
    return ResponseAnswer(wanted, cast("Completion", completion or FakeCompletion()), **fields)


def decoded(frames: Iterable[SSEvent]) -> list[dict[str, Any]]:
    events = []
    for frame in frames:
        name, data = frame.serialize().decode().strip().split("\n")
        events.append(msgspec.json.decode(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def told(answer: ResponseAnswer, pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    return decoded([*answer.begin(), *answer.tell(pieces), *answer.end()])


def output_of(pieces: Sequence[Piece], **fields: Any) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = check_stream(told(answer_to(request(**fields)), pieces))[
        "output"
    ]
    return output
