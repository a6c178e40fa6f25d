"""The conversation of a request to /v1/messages: turns of blocks, as a chat template sees them."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec

from serve_daemon.api.fields import (
    Field,
    Table,
    as_object,
    boolean,
    group,
    only,
    text,
)
from serve_daemon.api.images import image_source
from serve_daemon.api.messages import ChatMessage, ToolCall
from serve_daemon.api.schemas import Described, described
from serve_daemon.api.variants import Attributes, Read, items, variant

TEXT_ALONE = "the model reads text alone"
NO_HOSTED_TOOLS = "this server runs no tools itself"

# Where prompts may be cached: every prompt is, as far as it equals an earlier one.
CACHE_CONTROL = Field(
    group({"type": Field(only("ephemeral"), required=True), "ttl": Field(only("5m", "1h"))}),
    note="every prompt is cached, as far as it begins like an earlier one",
)


@described({"type": "object"})
def any_object(value: Any, path: str) -> dict[str, Any]:
    return as_object(value, path)


# ---------------------------------------------------------------- blocks

TEXT: Table = {
    "type": Field(text),
    "text": Field(text, "text", required=True),
    "cache_control": CACHE_CONTROL,
    "citations": Field(only([], reason=TEXT_ALONE)),
}
THINKING: Table = {
    "type": Field(text),
    "thinking": Field(text, "text", required=True),
    "signature": Field(text, note="not checked: whoever sends it could have written the text too"),
}
REDACTED_THINKING: Table = {
    "type": Field(text),
    "data": Field(text, required=True, note="only its maker can read it; the model gets none"),
}
IMAGE: Table = {
    "type": Field(text),
    "source": Field(image_source, "text", required=True),
    "cache_control": CACHE_CONTROL,
}
TOOL_USE: Table = {
    "type": Field(text),
    "id": Field(text, "call_id", required=True),
    "name": Field(text, "name", required=True),
    "input": Field(any_object, "input", required=True),
    "cache_control": CACHE_CONTROL,
    "caller": Field(only({"type": "direct"}, reason=NO_HOSTED_TOOLS)),
    "toolset_name": Field(only(reason=NO_HOSTED_TOOLS)),
}

_REFUSED_INPUT = dict.fromkeys(("document", "search_result"), TEXT_ALONE) | dict.fromkeys(
    ("tool_reference", "browser_state", "container_upload"), NO_HOSTED_TOOLS
)
_RESULT_OF_HOSTED = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "server_tool_use",
)
_REFUSED_OUTPUT = dict.fromkeys(_RESULT_OF_HOSTED, NO_HOSTED_TOOLS)


def content_of(block: Described[Read]) -> Described[list[Read]]:
    """A content: blocks, or a string in place of one block of text."""
    blocks = items(block, "a string or an array of blocks")

    @described({"anyOf": [{"type": "string"}, blocks.schema]})
    def read(value: Any, path: str) -> list[Read]:
        return [("text", {"text": value})] if isinstance(value, str) else blocks(value, path)

    return read


TEXT_BLOCKS = content_of(variant({"text": TEXT}, refused=_REFUSED_INPUT))
SHOWN_BLOCKS = content_of(variant({"text": TEXT, "image": IMAGE}, refused=_REFUSED_INPUT))

TOOL_RESULT: Table = {
    "type": Field(text),
    "tool_use_id": Field(text, "call_id", required=True),
    "content": Field(SHOWN_BLOCKS, "content"),
    "is_error": Field(boolean, "is_error", note="the model reads 'Error: ' before the content"),
    "cache_control": CACHE_CONTROL,
    "toolset_name": Field(only(reason=NO_HOSTED_TOOLS)),
}
USER_BLOCK = variant(
    {"text": TEXT, "image": IMAGE, "tool_result": TOOL_RESULT}, refused=_REFUSED_INPUT
)
ASSISTANT_BLOCK = variant(
    {
        "text": TEXT,
        "thinking": THINKING,
        "redacted_thinking": REDACTED_THINKING,
        "tool_use": TOOL_USE,
    },
    refused=_REFUSED_OUTPUT,
)


def _turn(content: Described[list[Read]]) -> Table:
    return {"role": Field(text), "content": Field(content, "content", required=True)}


TURN = variant(
    {
        "user": _turn(content_of(USER_BLOCK)),
        "assistant": _turn(content_of(ASSISTANT_BLOCK)),
        "system": _turn(TEXT_BLOCKS),
    },
    tag="role",
)
_turns = items(TURN, "an array of messages", least=1)


# ---------------------------------------------------------------- conversation


@described(_turns.schema)
def anthropic_messages(value: Any, path: str) -> list[ChatMessage]:
    """The `messages`; turns of one role that follow each other are one turn."""
    turns = _turns(value, path)
    messages: list[ChatMessage] = []
    names: dict[str, str] = {}  # of the tools that were called, by the id of the call
    for role, same in groupby(turns, key=lambda turn: turn[0]):
        blocks = [block for _, attributes in same for block in attributes["content"]]
        if role == "assistant":
            message = _assistant_message(blocks)
            names |= {call.call_id: call.name for call in message.tool_calls}
            messages.append(message)
        else:
            messages += _messages_to_model(role, blocks, names)
    return messages


@described(TEXT_BLOCKS.schema)
def system_text(value: Any, path: str) -> str:
    """The `system` prompt."""
    return joined(TEXT_BLOCKS(value, path))


def joined(blocks: list[Read], *kinds: str) -> str:
    """The text of the blocks of these kinds, each on lines of its own; of what is said or shown."""
    wanted = kinds or ("text", "image")
    return "\n".join(attributes["text"] for kind, attributes in blocks if kind in wanted)


def _messages_to_model(
    role: str, blocks: list[Read], names: dict[str, str]
) -> Iterator[ChatMessage]:
    """Results of tools are messages of their own, in the order in which they came."""
    for is_result, part in groupby(blocks, key=lambda block: block[0] == "tool_result"):
        if is_result:
            yield from (_result(attributes, names) for _, attributes in part)
        else:
            yield ChatMessage(role, joined(list(part)))
    if not blocks:
        yield ChatMessage(role, "")


def _result(attributes: Attributes, names: dict[str, str]) -> ChatMessage:
    text_of_it = joined(attributes.get("content", []))
    return ChatMessage(
        role="tool",
        content=f"Error: {text_of_it}" if attributes.get("is_error") else text_of_it,
        name=names.get(attributes["call_id"], ""),
        tool_call_id=attributes["call_id"],
    )


def _assistant_message(blocks: list[Read]) -> ChatMessage:
    return ChatMessage(
        role="assistant",
        content=joined(blocks),
        reasoning=joined(blocks, "thinking"),
        tool_calls=[_call(attributes) for kind, attributes in blocks if kind == "tool_use"],
    )


def _call(attributes: Attributes) -> ToolCall:
    arguments = msgspec.json.encode(attributes["input"]).decode()
    return ToolCall(attributes["call_id"], attributes["name"], arguments)
