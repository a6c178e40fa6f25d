"""Which of its tools a request lets the model call, or has it call, in each endpoint's form."""

from collections.abc import Mapping
from typing import Any, Literal

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Table,
    as_object,
    boolean,
    group,
    join,
    missing,
    object_schema,
    only,
    read_object,
    text,
    wrong_type,
)
from serve_daemon.api.schemas import Schema, described
from serve_daemon.api.tools import AUTO, FunctionTool, ToolChoice, refuse_other, tool_name

Mode = Literal["none", "auto", "required"]

_MODES: dict[str, Mode] = {"none": "none", "auto": "auto", "required": "required"}
_ANTHROPIC_MODES: dict[str, Mode] = {"none": "none", "auto": "auto", "any": "required"}

_NAMED = group({"name": Field(tool_name, "name", required=True)})
_NAME = Field(tool_name, "name", required=True)
_FUNCTION = Field(only("function"), required=True)
_ALLOWED_TYPE = Field(only("allowed_tools"), required=True)
_ALLOWED_MODE = Field(only("auto", "required"), "mode", required=True)

_CHAT_NAMED: Table = {"type": _FUNCTION, "function": Field(_NAMED, "function", required=True)}
_RESPONSES_NAMED: Table = {"type": _FUNCTION, "name": _NAME}


@described({"type": "array", "minItems": 1, "items": object_schema(_CHAT_NAMED)})
def _chat_names(value: Any, path: str) -> list[str]:
    return [_chat_named(each, where) for each, where in _entries(value, path)]


@described({"type": "array", "minItems": 1, "items": object_schema(_RESPONSES_NAMED)})
def _responses_names(value: Any, path: str) -> list[str]:
    return [_responses_named(each, where) for each, where in _entries(value, path)]


_ALLOWED: Table = {"mode": _ALLOWED_MODE, "tools": Field(_chat_names, "names", required=True)}
_CHAT_ALLOWED: Table = {
    "type": _ALLOWED_TYPE,
    "allowed_tools": Field(group(_ALLOWED), "allowed", required=True),
}
_RESPONSES_ALLOWED: Table = {
    "type": _ALLOWED_TYPE,
    "mode": _ALLOWED_MODE,
    "tools": Field(_responses_names, "names", required=True),
}
_ANTHROPIC: Table = {
    "type": Field(only(*_ANTHROPIC_MODES), required=True),
    "disable_parallel_tool_use": Field(boolean, "is_single"),
}
_ANTHROPIC_NAMED: Table = {**_ANTHROPIC, "type": Field(only("tool"), required=True), "name": _NAME}
_FUNCTION_CALL: Table = {"name": _NAME}

# ---------------------------------------------------------------- readers


def _any_of(*tables: Table) -> Schema:
    return {"anyOf": [{"enum": [*_MODES]}, *map(object_schema, tables)]}


@described(_any_of(_CHAT_NAMED, _CHAT_ALLOWED))
def chat_tool_choice(value: Any, path: str) -> ToolChoice:
    """`tool_choice` of chat completions."""
    if isinstance(value, str):
        return _mode(value, path, _MODES)
    if _kind(value, path) == "allowed_tools":
        return ToolChoice(**read_object(_CHAT_ALLOWED, value, path)["allowed"])
    return ToolChoice("required", [_chat_named(value, path)])


@described(_any_of(_RESPONSES_NAMED, _RESPONSES_ALLOWED))
def responses_tool_choice(value: Any, path: str) -> ToolChoice:
    """`tool_choice` of responses."""
    if isinstance(value, str):
        return _mode(value, path, _MODES)
    if _kind(value, path) == "allowed_tools":
        return ToolChoice(**read_object(_RESPONSES_ALLOWED, value, path))
    return ToolChoice("required", [_responses_named(value, path)])


@described({"anyOf": [object_schema(_ANTHROPIC), object_schema(_ANTHROPIC_NAMED)]})
def anthropic_tool_choice(value: Any, path: str) -> ToolChoice:
    """`tool_choice` of messages."""
    kind = _kind(value, path)
    if kind == "tool":
        read = read_object(_ANTHROPIC_NAMED, value, path)
        return ToolChoice("required", [read["name"]], read.get("is_single", False))
    mode = _mode(kind, join(path, "type"), _ANTHROPIC_MODES).mode
    return ToolChoice(mode, **read_object(_ANTHROPIC, value, path))


@described({"anyOf": [{"enum": ["none", "auto"]}, object_schema(_FUNCTION_CALL)]})
def function_call_choice(value: Any, path: str) -> ToolChoice:
    """`function_call` of chat completions, the deprecated form: one call at most."""
    if isinstance(value, str):
        mode = _mode(value, path, {"none": "none", "auto": "auto"}).mode
        return ToolChoice(mode, is_single=True)
    if not isinstance(value, dict):
        raise wrong_type(path, "a string or an object", value)
    return ToolChoice("required", [read_object(_FUNCTION_CALL, value, path)["name"]], True)


def check_tool_choice(
    tools: list[FunctionTool], choice: ToolChoice, names: tuple[str, str] = ("tool_choice", "tools")
) -> None:
    """Raise `InvalidRequest` for a choice that the tools can't fulfil; `names`: of the fields."""
    field, offered = names
    if choice.mode == "required" and not tools:
        message = (
            f"Invalid value for '{field}': '{field}' is only allowed when '{offered}' are"
            " specified."
        )
        raise InvalidRequest(message, field, "invalid_value")
    known = {tool.name for tool in tools}
    for name in choice.names:
        if name not in known:
            message = f"Invalid value for '{field}': function '{name}' not found in '{offered}'."
            raise InvalidRequest(message, field, "invalid_value")


# ---------------------------------------------------------------- their parts


def _mode(value: str, path: str, modes: Mapping[str, Mode]) -> ToolChoice:
    if value not in modes:
        message = (
            f"Invalid value: '{value:.80}'. Supported values for '{path}' are:"
            f" {', '.join(repr(mode) for mode in modes)}."
        )
        raise InvalidRequest(message, path, "invalid_value")
    return AUTO if modes[value] == "auto" else ToolChoice(modes[value])


def _kind(value: Any, path: str) -> str:
    if not isinstance(value, dict):
        raise wrong_type(path, "a string or an object", value)
    if value.get("type") is None:
        raise missing(join(path, "type"))
    return text(value["type"], join(path, "type"))


def _chat_named(value: Any, path: str) -> str:
    _check_function(value, path)
    return str(read_object(_CHAT_NAMED, value, path)["function"]["name"])


def _responses_named(value: Any, path: str) -> str:
    _check_function(value, path)
    return str(read_object(_RESPONSES_NAMED, value, path)["name"])


def _check_function(value: Any, path: str) -> None:
    if (kind := _kind(as_object(value, path), path)) != "function":
        raise refuse_other(kind, join(path, "type"))


def _entries(value: Any, path: str) -> list[tuple[Any, str]]:
    if not isinstance(value, list):
        raise wrong_type(path, "an array of tools", value)
    if not value:
        message = f"Invalid '{path}': empty array. Expected at least one tool."
        raise InvalidRequest(message, path, "empty_array")
    return [(each, f"{path}[{index}]") for index, each in enumerate(value)]
