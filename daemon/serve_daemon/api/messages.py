"""The messages of a conversation, and how Chat Completions writes them."""

from typing import Any

from msgspec import Struct

from serve_daemon.api.fields import (
    Field,
    Table,
    group,
    join,
    missing,
    object_schema,
    only,
    read_object,
    text,
    unsupported,
)
from serve_daemon.api.images import shown_image
from serve_daemon.api.schemas import Described, described
from serve_daemon.api.tools import tool_name
from serve_daemon.api.variants import items, variant

ROLES = ("system", "developer", "user", "assistant")


class ToolCall(Struct, frozen=True):
    """A call that the model made."""

    call_id: str
    name: str
    arguments: str  # JSON text, as the model wrote it


class ChatMessage(Struct, frozen=True, omit_defaults=True):
    """What one participant said; all that a chat template gets to see."""

    role: str
    content: str
    name: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    tool_call_id: str = ""  # of a message of role "tool": the call that it answers


# ---------------------------------------------------------------- parts of a content


NOTHING = Field(only())  # known, and not supported with any value but null

TEXT_PARTS: dict[str, Table] = {
    "text": {
        "type": Field(only("text"), required=True),
        "text": Field(text, "text", required=True),
        "prompt_cache_breakpoint": NOTHING,
    },
    "refusal": {
        "type": Field(only("refusal"), required=True),
        "refusal": Field(text, "text", required=True),
    },
}
USER_PARTS: dict[str, Table] = {
    **TEXT_PARTS,
    "image_url": {
        "type": Field(only("image_url"), required=True),
        "image_url": Field(shown_image, "text", required=True),
    },
}
TEXT_ALONE = "the models read and write text alone"
# Why a part is refused that is no text, by its type.
REFUSED_PARTS = {
    f"{direction}{kind}": TEXT_ALONE
    for kind in ("image", "audio", "audio_url", "video", "video_url", "file")
    for direction in ("", "input_")
}


def content(parts: dict[str, Table]) -> Described[str]:
    """A content: a string, or a list of parts of these types, whose texts are joined."""
    listed = items(variant(parts, refused=REFUSED_PARTS), "a string or an array of parts")

    @described({"anyOf": [{"type": "string"}, listed.schema]})
    def read(value: Any, path: str) -> str:
        if isinstance(value, str):
            return value
        return "".join(part["text"] for _, part in listed(value, path))

    return read


@described({"enum": [*ROLES]})
def role(value: Any, path: str) -> str:
    if value not in ROLES:
        text(value, path)
        raise unsupported(path, value)
    return str(value)


# ---------------------------------------------------------------- Chat Completions

_CALLED: Table = {
    "name": Field(tool_name, "name", required=True),
    "arguments": Field(text, "arguments", required=True),
}
_CALL: Table = {
    "id": Field(text, "call_id", required=True),
    "type": Field(only("function", reason="of tools it knows functions")),
    "function": Field(group(_CALLED), "function", required=True),
}


@described(object_schema(_CALL))
def tool_call(value: Any, path: str) -> ToolCall:
    """One of an assistant's `tool_calls`."""
    read = read_object(_CALL, value, path)
    return ToolCall(read["call_id"], **read["function"])


# Of other roles, where clients write them with every message.
_ABSENT = (
    "refusal reasoning_content reasoning tool_calls function_call annotations audio tool_call_id"
)
_SAID: Table = {
    "role": Field(text, "role", required=True),
    "content": Field(content(TEXT_PARTS), "content", required=True),
    "name": Field(text, "name"),
    **{name: Field(only([])) for name in _ABSENT.split()},
}
# By role. What a reply carries stands there too, so that it can be sent back as it came.
CHAT_MESSAGES: dict[str, Table] = {
    "system": _SAID,
    "developer": _SAID,
    "user": {**_SAID, "content": Field(content(USER_PARTS), "content", required=True)},
    "assistant": {
        **_SAID,
        "content": Field(content(TEXT_PARTS), "content"),
        "refusal": Field(text, "refusal"),
        "reasoning_content": Field(text, "reasoning"),
        "reasoning": Field(text, "reasoning"),
        "tool_calls": Field(items(tool_call, "an array of calls"), "tool_calls"),
        "function_call": Field(group(_CALLED), "function_call", note="deprecated: tool_calls"),
        "annotations": Field(only([])),
        "audio": Field(only(reason=TEXT_ALONE)),
    },
    "tool": {**_SAID, "tool_call_id": Field(text, "tool_call_id", required=True)},
    "function": {**_SAID, "name": Field(text, "name", required=True)},
}
_MESSAGES = items(variant(CHAT_MESSAGES, tag="role"), "an array of messages", least=1)


@described(_MESSAGES.schema)
def chat_messages(value: Any, path: str) -> list[ChatMessage]:
    """The `messages` of Chat Completions."""
    return [
        _chat_message(kind, attributes, f"{path}[{index}]")
        for index, (kind, attributes) in enumerate(_MESSAGES(value, path))
    ]


def _chat_message(kind: str, attributes: dict[str, Any], path: str) -> ChatMessage:
    if kind == "assistant":
        return _assistant(attributes, path)
    if kind == "function":
        called = _function_id(attributes["name"])
        return ChatMessage(**attributes | {"role": "tool", "tool_call_id": called})
    return ChatMessage(**attributes)


def _assistant(attributes: dict[str, Any], path: str) -> ChatMessage:
    if not attributes.keys() & {"content", "refusal", "reasoning", "tool_calls", "function_call"}:
        raise missing(join(path, "content"))
    refusal = attributes.pop("refusal", "")
    said = attributes.pop("content", "") + refusal
    if called := attributes.pop("function_call", None):
        call = ToolCall(_function_id(called["name"]), **called)
        attributes["tool_calls"] = [*attributes.get("tool_calls", []), call]
    return ChatMessage(**attributes, content=said)


def _function_id(name: str) -> str:
    """The deprecated form has no ids: a result belongs to the last call of that name."""
    return f"call_{name}"
