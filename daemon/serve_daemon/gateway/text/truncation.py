"""Conversations that are too long for a model: what is oldest in them is dropped.

Instructions stay, and so do the last thing that the user said and the last step of the model's
since then. What goes together is dropped together: calls and their results, and a turn begins with
what the user said.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.requests import GenerationRequest

INSTRUCTING = ("system", "developer")
Count = Callable[[GenerationRequest], Awaitable[int]]


async def shortened(
    request: GenerationRequest, max_context: int, count: Count
) -> GenerationRequest:
    """The request, with as little dropped as leaves room for an answer; `count`: tokens of one.

    One that can't be made to fit comes back as short as it can be.
    """
    if await count(request) < max_context:
        return request
    limit = max_context - room_for_answer(request.max_tokens, max_context)
    lengths = cuts(request.messages)
    low, high = 0, len(lengths) - 1
    while low < high:
        middle = (low + high) // 2
        if await count(_without(request, lengths[middle])) <= limit:
            high = middle
        else:
            low = middle + 1
    return _without(request, lengths[low]) if lengths else request


def room_for_answer(max_tokens: int | None, max_context: int) -> int:
    """How many tokens of the context are not to be filled with the prompt."""
    return min(max_tokens or max_context // 4, max_context // 2)


def cuts(messages: Sequence[ChatMessage]) -> list[list[int]]:
    """Which messages may be dropped, by index: ever more of them, from the oldest on."""
    units = _units(messages)
    last_user = max((n for n, unit in enumerate(units) if _is_user(messages, unit)), default=-1)
    droppable = [unit for n, unit in enumerate(units[:-1]) if n != last_user]
    dropped: list[int] = []
    found: list[list[int]] = []
    for n, unit in enumerate(droppable):
        dropped += unit
        is_in_last_turn = n + 1 >= last_user
        if is_in_last_turn or _is_user(messages, droppable[n + 1]):
            found.append(list(dropped))
    return found


def _units(messages: Sequence[ChatMessage]) -> list[list[int]]:
    """The indexes of what is dropped together; of instructions none."""
    units: list[list[int]] = []
    for index, message in enumerate(messages):
        if message.role == "tool" and units:
            units[-1].append(index)
        elif message.role not in INSTRUCTING:
            units.append([index])
    return units


def _is_user(messages: Sequence[ChatMessage], unit: list[int]) -> bool:
    return messages[unit[0]].role == "user"


def _without(request: GenerationRequest, dropped: list[int]) -> GenerationRequest:
    gone = set(dropped)
    kept = [message for index, message in enumerate(request.messages) if index not in gone]
    return msgspec.structs.replace(request, messages=kept)
