"""The messages of a conversation, as Chat Completions and Responses write them."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Table,
    as_object,
    join,
    missing,
    only,
    read_object,
    text,
    unsupported,
    wrong_type,
)

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


def a_list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise wrong_type(path, "an array", value)
    return value


NOTHING = Field(only())  # known, and not supported with any value but null

TEXT_PARTS: dict[str, Table] = {
    "text": {
        "type": Field(text),
        "text": Field(text, "text", required=True),
        "prompt_cache_breakpoint": NOTHING,
    },
    "refusal": {"type": Field(text), "refusal": Field(text, "text", required=True)},
}
INPUT_PARTS: dict[str, Table] = {
    "input_text": TEXT_PARTS["text"],
    "output_text": {
        "type": Field(text),
        "text": Field(text, "text", required=True),
        "annotations": Field(only([])),
        "logprobs": Field(a_list),  # of the past, which says nothing to a model
    },
    "refusal": TEXT_PARTS["refusal"],
}


def content(parts: dict[str, Table]) -> Callable[[Any, str], str]:
    """A content: a string, or a list of parts of these types, whose texts are joined."""

    def read(value: Any, path: str) -> str:
        if isinstance(value, str):
            return value
        if not isinstance(value, list):
            raise wrong_type(path, "a string or an array of parts", value)
        return "".join(_read_part(parts, part, f"{path}[{i}]") for i, part in enumerate(value))

    return read


def _read_part(parts: dict[str, Table], value: Any, path: str) -> str:
    kind = text(required(as_object(value, path), "type", path), join(path, "type"))
    if kind not in parts:
        raise unsupported(join(path, "type"), kind)
    return str(read_object(parts[kind], value, path)["text"])


def required(value: dict[str, Any], name: str, path: str) -> Any:
    if value.get(name) is None:
        raise missing(join(path, name))
    return value[name]


def role(value: Any, path: str) -> str:
    if value not in ROLES:
        text(value, path)
        raise unsupported(path, value)
    return str(value)


# ---------------------------------------------------------------- Chat Completions

CHAT_MESSAGE: Table = {
    "role": Field(role, "role", required=True),
    "content": Field(content(TEXT_PARTS), "content", required=True),
    "name": Field(text, "name"),
    # What a reply carries, so that it can be sent back as it came.
    "refusal": NOTHING,
    "annotations": Field(only([])),
    "audio": NOTHING,
    "function_call": NOTHING,
    "tool_calls": Field(only([])),
}


def chat_messages(value: Any, path: str) -> list[ChatMessage]:
    """The `messages` of Chat Completions."""
    if not isinstance(value, list):
        raise wrong_type(path, "an array of messages", value)
    if not value:
        message = f"Invalid '{path}': empty array. Expected at least one message."
        raise InvalidRequest(message, path, "empty_array")
    return [
        ChatMessage(**read_object(CHAT_MESSAGE, message, f"{path}[{index}]"))
        for index, message in enumerate(value)
    ]


# ---------------------------------------------------------------- Responses

INPUT_MESSAGE: Table = {
    "type": Field(only("message")),
    "role": Field(role, "role", required=True),
    "content": Field(content(INPUT_PARTS), "content", required=True),
    # What an output message carries, so that it can be sent back as it came.
    "id": Field(text),
    "status": Field(only("completed", "incomplete", "in_progress")),
    "phase": Field(only("commentary", "final_answer")),
}


def input_messages(value: Any, path: str) -> list[ChatMessage]:
    """The `input` of Responses: a string, or a list of message items."""
    if isinstance(value, str):
        return [ChatMessage("user", value)]
    if not isinstance(value, list):
        raise wrong_type(path, "a string or an array of items", value)
    if not value:
        message = f"Invalid '{path}': empty array. Expected at least one item."
        raise InvalidRequest(message, path, "empty_array")
    return [_input_message(item, f"{path}[{index}]") for index, item in enumerate(value)]


def _input_message(value: Any, path: str) -> ChatMessage:
    kind = as_object(value, path).get("type", "message")
    if kind != "message":
        raise unsupported(join(path, "type"), kind)
    return ChatMessage(**read_object(INPUT_MESSAGE, value, path))
