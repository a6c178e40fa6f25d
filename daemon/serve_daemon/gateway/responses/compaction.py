"""POST /v1/responses/compact: a conversation made short by the model that has it.

What the model says it was about, and the items that must stay as they are, go into one item that
only this server reads (`api/sealed.py`): at its place in an input they are there again.
"""

import time
from collections.abc import Sequence

import falcon.asgi
import msgspec

from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.response_objects import (
    Compaction,
    InputTokensDetails,
    OutputTokensDetails,
    ResponseUsage,
)
from serve_daemon.api.response_output import CompactionItem, Item
from serve_daemon.api.response_requests import read_compact_request
from serve_daemon.api.responses import ResponsesRequest
from serve_daemon.api.sealed import SealedConversation, sealed
from serve_daemon.api.tools import ToolChoice
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.answers.reply import require_json
from serve_daemon.gateway.common.identifiers import new_id
from serve_daemon.gateway.common.pieces import Text
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.items.history import History
from serve_daemon.gateway.items.response import usage_of

SUMMARY_TOKENS = 1024  # at most
ASK = (
    "Sum up our conversation for somebody who goes on with it without having seen it: what I want,"
    " what was decided and found out, names, numbers and other details that matter, and what is"
    " still open. Write the summary alone."
)
INSTRUCTING = ("system", "developer")
NO_USAGE = ResponseUsage(0, InputTokensDetails(), 0, OutputTokensDetails(), 0)


class Compact:
    """The endpoint."""

    def __init__(self, models: Models, history: History) -> None:
        self._models = models
        self._history = history

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = await self._history.complete(read_compact_request(exchange.body))
        items = [*wanted.earlier_items, *wanted.input_items]
        kept = kept_items(items)
        summary, usage = "", NO_USAGE
        if len(kept) < len(items):
            completion = Completion(summary_request(wanted), exchange, self._models)
            summary = await _text(completion)
            usage = usage_of(completion)
            kept = kept if summary else items  # what nobody has summed up must not be lost
        response.data = encode(compaction(summary, kept, usage))


def kept_items(items: Sequence[Item]) -> list[Item]:
    """Those that stay as they are: instructions, and of a turn that is not over what is needed.

    That is what the user said last, and the calls and results at the end.
    """
    if not items:
        return []
    tail = _tail(items)
    is_open = tail < len(items) or items[-1].get("role") == "user"
    users = [index for index, item in enumerate(items) if item.get("role") == "user"]
    last_user = users[-1] if users and is_open else None
    return [
        item
        for index, item in enumerate(items)
        if index >= tail or index == last_user or item.get("role") in INSTRUCTING
    ]


def _tail(items: Sequence[Item]) -> int:
    """Where the calls and the results begin that the items end with; their number if they don't."""
    index = len(items)
    for kind in ("function_call_output", "function_call", "reasoning"):
        while index and items[index - 1]["type"] == kind:
            index -= 1
    return index


def summary_request(request: ResponsesRequest) -> ResponsesRequest:
    """What the model is asked; of a conversation that is too long, the end."""
    return msgspec.structs.replace(
        request,
        messages=[*request.messages, ChatMessage("user", ASK)],
        tool_choice=ToolChoice("none"),
        max_tokens=SUMMARY_TOKENS,
        temperature=0.0,
        truncation="auto",
    )


def compaction(summary: str, kept: list[Item], usage: ResponseUsage) -> Compaction:
    content = sealed(SealedConversation(summary, kept))
    return Compaction(
        id=new_id("resp"),
        created_at=int(time.time()),
        output=[CompactionItem(id=new_id("cmp"), encrypted_content=content)],
        usage=usage,
    )


async def _text(completion: Completion) -> str:
    pieces = [piece async for some in completion.pieces() for piece in some]
    return "".join(piece.text for piece in pieces if isinstance(piece, Text)).strip()
