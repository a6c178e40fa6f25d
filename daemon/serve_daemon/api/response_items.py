"""The items of a response's input: how each kind is read, and as what it is kept.

Items are input and output alike: what a response has put out may be sent back as it came.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Table,
    as_object,
    boolean,
    group,
    object_schema,
    only,
    text,
    wrong_type,
)
from serve_daemon.api.response_content import output_text, reasoning_text, spoken_text
from serve_daemon.api.response_output import Item
from serve_daemon.api.schemas import array_of, described
from serve_daemon.api.variants import variant

ID_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
    "compaction": "cmp",
}
STATUS = Field(only("in_progress", "completed", "incomplete"))
CALLER = Field(group({"type": Field(only("direct"))}))  # the model itself
NO_NAMESPACE = Field(only(reason="functions have no namespaces here"))

MESSAGE: Table = {
    "type": Field(only("message")),
    "role": Field(only("user", "system", "developer", "assistant"), "role", required=True),
    "content": Field(spoken_text, "content", required=True),
    "id": Field(text),
    "status": STATUS,
    "phase": Field(only("commentary", "final_answer"), note="templates tell no phases apart"),
}
FUNCTION_CALL: Table = {
    "type": Field(text),
    "call_id": Field(text, "call_id", required=True),
    "name": Field(text, "name", required=True),
    "arguments": Field(text, "arguments", required=True),
    "id": Field(text),
    "status": STATUS,
    "async": Field(boolean, note="says how the client ran it"),
    "caller": CALLER,
    "namespace": NO_NAMESPACE,
    "created_by": Field(text),
}
FUNCTION_CALL_OUTPUT: Table = {
    "type": Field(text),
    "call_id": Field(text, "call_id", required=True),
    "output": Field(output_text, "output", required=True),
    "name": Field(text, note="the call has it"),
    "id": Field(text),
    "status": STATUS,
    "caller": CALLER,
    "namespace": NO_NAMESPACE,
    "created_by": Field(text),
}
REASONING: Table = {
    "type": Field(text),
    "summary": Field(reasoning_text, "summary"),
    "content": Field(reasoning_text, "content"),
    "encrypted_content": Field(text, "encrypted_content"),
    "id": Field(text),
    "status": STATUS,
}
ITEM_REFERENCE: Table = {
    "type": Field(only("item_reference")),
    "id": Field(text, "id", required=True),
}
COMPACTION: Table = {
    "type": Field(text),
    "encrypted_content": Field(text, "encrypted_content", required=True),
    "id": Field(text),
    "created_by": Field(text),
}
ITEMS: Mapping[str, Table] = {
    "message": MESSAGE,
    "function_call": FUNCTION_CALL,
    "function_call_output": FUNCTION_CALL_OUTPUT,
    "reasoning": REASONING,
    "item_reference": ITEM_REFERENCE,
    "compaction": COMPACTION,
}

_HOSTED = "this server runs no tools, so there is no item of one"
_TRAINED = "it belongs to a tool that models are trained for; offer a function instead"
_CUSTOM = "custom tools are not supported; offer a function instead"
# Why an item is refused, by its type.
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "file_search_call",
            "web_search_call",
            "code_interpreter_call",
            "image_generation_call",
            "mcp_list_tools",
            "mcp_call",
            "mcp_approval_request",
            "mcp_approval_response",
            "tool_search_call",
            "tool_search_output",
            "program",
            "program_output",
        ),
        _HOSTED,
    ),
    **dict.fromkeys(
        (
            "computer_call",
            "computer_call_output",
            "local_shell_call",
            "local_shell_call_output",
            "shell_call",
            "shell_call_output",
            "apply_patch_call",
            "apply_patch_call_output",
        ),
        _TRAINED,
    ),
    "custom_tool_call": _CUSTOM,
    "custom_tool_call_output": _CUSTOM,
    "additional_tools": "offer all tools in 'tools'",
    "configuration_update": "send the next request with the new settings",
    "compaction_trigger": "POST /v1/responses/compact makes a conversation short",
}


class InputItem(Struct, frozen=True):
    """One item of an input."""

    kind: str
    attributes: dict[str, Any]  # what its table made of it
    item: Item  # as it is kept: with an id, and the parts of its content
    path: str


_known = variant(ITEMS, refused=REFUSED)
_SCHEMA = {"anyOf": [_known.schema, object_schema(MESSAGE), object_schema(ITEM_REFERENCE)]}


@described(_SCHEMA)
def input_item(value: Any, path: str) -> InputItem:
    """One item; without a type it is a message, or a reference where it has no role."""
    given = as_object(value, path)
    if given.get("type") is None:
        is_reference = "id" in given and "role" not in given
        given = {**given, "type": "item_reference" if is_reference else "message"}
    kind, attributes = _known(given, path)
    return InputItem(kind, attributes, _kept(kind, given), path)


@described({"anyOf": [{"type": "string"}, array_of(_SCHEMA, least=1)]})
def input_items(value: Any, path: str) -> list[InputItem]:
    """The `input` of a response: a string, which is what the user says, or items."""
    if isinstance(value, str):
        return [input_item({"role": "user", "content": value}, path)]
    if not isinstance(value, list):
        raise wrong_type(path, "a string or an array of items", value)
    if not value:
        message = f"Invalid '{path}': empty array. Expected at least one item."
        raise InvalidRequest(message, path, "empty_array")
    return [input_item(each, f"{path}[{index}]") for index, each in enumerate(value)]


# ---------------------------------------------------------------- what is kept of an item


def _kept(kind: str, given: Item) -> Item:
    """The item with all keys that one has that is listed."""
    item = {name: value for name, value in given.items() if value is not None}
    if kind == "item_reference":
        return item
    if "id" not in item:
        item["id"] = f"{ID_PREFIXES[kind]}_{uuid.uuid4().hex}"
    if kind == "message":
        item["content"] = _parts(item["role"], item["content"])
    if kind == "reasoning":
        item.setdefault("summary", [])
    elif kind != "compaction":
        item.setdefault("status", "completed")
    return item


def _parts(role: str, content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        content = [
            {"type": "output_text" if role == "assistant" else "input_text", "text": content}
        ]
    return [{**_PART_DEFAULTS.get(part["type"], {}), **part} for part in content]


_PART_DEFAULTS: Mapping[str, dict[str, Any]] = {
    "output_text": {"annotations": [], "logprobs": []},
    "input_image": {"detail": "auto"},
}

# ---------------------------------------------------------------- references


def referenced(items: Sequence[Item]) -> list[str]:
    """The ids of the items that these refer to."""
    return [item["id"] for item in items if item["type"] == "item_reference"]


def resolved(items: Sequence[Item], found: Mapping[str, Item]) -> list[Item]:
    """The items, each reference replaced by the item that it is of.

    Raises `InvalidRequest` for one that is not in `found`.
    """
    return [_resolved(item, index, found) for index, item in enumerate(items)]


def _resolved(item: Item, index: int, found: Mapping[str, Item]) -> Item:
    if item["type"] != "item_reference":
        return item
    if item["id"] not in found:
        message = (
            f"Item with id '{item['id']}' not found. Items of a response are kept where 'store' is"
            " true; else send the item itself."
        )
        raise InvalidRequest(message, f"input[{index}].id", "item_not_found")
    return found[item["id"]]
