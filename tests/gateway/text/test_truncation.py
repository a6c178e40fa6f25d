"""What is dropped of a conversation that is too long."""

import pytest

from serve_daemon.api.messages import ChatMessage, ToolCall
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.text.truncation import cuts, room_for_answer, shortened

CONTEXT = 100


def conversation(marks: str) -> list[ChatMessage]:
    """s: system, u: user, a: assistant, c: a call, t: its result; each has ten tokens."""
    roles = {"s": "system", "u": "user", "a": "assistant", "c": "assistant", "t": "tool"}
    calls = [ToolCall("c", "f", "{}")]
    return [
        ChatMessage(roles[mark], str(index), tool_calls=calls if mark == "c" else [])
        for index, mark in enumerate(marks)
    ]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("", []),
        ("u", []),
        ("su", []),
        ("sua", []),
        ("suau", ["su"]),
        ("uauau", ["uau", "u"]),
        ("uacau", ["u"]),
        ("uctau", ["u"]),
        ("usua", ["sua"]),
        ("uctctct", ["uctct", "uct"]),
        ("uauctct", ["uctct", "uct"]),
        ("aau", ["u"]),
        ("aaa", ["aa", "a"]),
    ],
)
def test_what_goes_together_is_dropped_together(marks: str, expected: list[str]) -> None:
    """From the oldest on; instructions, the last question and the last step since stay."""
    left = [
        "".join(mark for n, mark in enumerate(marks) if n not in dropped)
        for dropped in cuts(conversation(marks))
    ]
    assert left == expected


async def shortened_to(marks: str, max_tokens: int | None = None) -> str:
    async def count(request: GenerationRequest) -> int:
        return 10 * len(request.messages)

    messages = conversation(marks)
    request = GenerationRequest(model="m", messages=messages, max_tokens=max_tokens)
    kept = await shortened(request, CONTEXT, count)
    return "".join(marks[int(message.content)] for message in kept.messages)


@pytest.mark.parametrize(
    ("marks", "max_tokens", "expected"),
    [
        ("s" + "ua" * 4, None, "s" + "ua" * 4),
        ("s" + "ua" * 5, None, "s" + "ua" * 3),
        ("s" + "ua" * 5, 10, "s" + "ua" * 4),
        ("s" + "ua" * 5, 1000, "s" + "ua" * 2),
        ("s" + "ua" * 20 + "u", None, "s" + "ua" * 2 + "u"),
        ("s" * 9 + "uau", None, "s" * 9 + "u"),
        ("s" * 12, None, "s" * 12),
    ],
)
async def test_as_little_is_dropped_as_leaves_room(
    marks: str, max_tokens: int | None, expected: str
) -> None:
    """For the answer that is asked for, if that is not most of the context."""
    assert await shortened_to(marks, max_tokens) == expected


@pytest.mark.parametrize(("max_tokens", "room"), [(None, 25), (10, 10), (90, 50)])
def test_the_room_for_an_answer(max_tokens: int | None, room: int) -> None:
    """A quarter where nothing is said, and never more than half."""
    assert room_for_answer(max_tokens, CONTEXT) == room
