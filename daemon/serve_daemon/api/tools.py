"""The tools that a request offers, in the forms of each endpoint."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

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
    unsupported,
    wrong_type,
)
from serve_daemon.api.schemas import Described, array_of, described

NAME_PATTERN = r"^[a-zA-Z0-9_-]+$"
MAX_NAME = 64


class FunctionTool(Struct, frozen=True):
    """A function that the client runs; the model writes its arguments."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None  # a JSON schema; None: no arguments
    strict: bool = False  # the arguments always fit the schema


class ToolChoice(Struct, frozen=True):
    """Whether tools are called, and which; no names: any of those that are offered."""

    mode: Literal["none", "auto", "required"] = "auto"
    names: list[str] = []
    is_single: bool = False  # one call at most, whatever else the request says of that


AUTO = ToolChoice()


@described({"enum": ["auto", "none"]})
def tool_mode(value: Any, path: str) -> ToolChoice:
    """The `tool_choice` of a request that offers no tools."""
    return ToolChoice(only("auto", "none")(value, path))


# ---------------------------------------------------------------- what is not a function

_RUN_BY_SERVERS = [
    "web_search",
    "web_search_preview",
    "web_fetch",
    "file_search",
    "code_interpreter",
    "code_execution",
    "image_generation",
    "mcp",
    "mcp_toolset",
    "tool_search",
    "tool_search_tool_regex",
    "tool_search_tool_bm25",
    "programmatic_tool_calling",
    "memory",
    "advisor",
]
_TRAINED_FOR = [
    "computer",
    "computer_use",
    "computer_use_preview",
    "local_shell",
    "shell",
    "bash",
    "apply_patch",
    "text_editor",
    "str_replace_editor",
    "str_replace_based_edit_tool",
]
# Why a tool that is no function is refused, by its type.
REFUSED = {
    **dict.fromkeys(_RUN_BY_SERVERS, "this server runs no tools; offer a function instead"),
    **dict.fromkeys(_TRAINED_FOR, "models must be trained for it; offer a function instead"),
    "custom": "its input is free text; offer a function, whose input is JSON",
    "namespace": "tools are offered one by one",
}
_DATED = re.compile(r"_\d{4}_?\d{2}_?\d{2}$|_\d{8}$")  # web_search_20250305


def refuse_other(kind: str, path: str) -> InvalidRequest:
    name = _DATED.sub("", kind)
    return unsupported(path, kind, REFUSED.get(name, "of tools it knows functions"))


# ---------------------------------------------------------------- one tool


@described({"type": "string", "pattern": NAME_PATTERN, "minLength": 1, "maxLength": MAX_NAME})
def tool_name(value: Any, path: str) -> str:
    """The name of a function: letters, digits, underscores and dashes."""
    name = text(value, path)
    if len(name) > MAX_NAME:
        message = (
            f"Invalid '{path}': string too long. Expected a string with maximum length {MAX_NAME},"
            f" but got a string with length {len(name)} instead."
        )
        raise InvalidRequest(message, path, "string_above_max_length")
    if not re.fullmatch(NAME_PATTERN, name) or name.endswith("\n"):
        message = (
            f"Invalid '{path}': string does not match pattern. Expected a string that matches the"
            f" pattern '{NAME_PATTERN}'."
        )
        raise InvalidRequest(message, path, "invalid_value")
    return name


@described({"type": "object"})
def tool_parameters(value: Any, path: str) -> dict[str, Any]:
    """The JSON schema of a function's arguments, which are an object."""
    schema = as_object(value, path)
    kind = schema.get("type", "object")
    if kind != "object":
        message = (
            f"Invalid schema for '{path}': it must be a JSON Schema of 'type: \"object\"', got"
            f" 'type: {kind!r:.80}'."
        )
        raise InvalidRequest(message, path, "invalid_function_parameters")
    return schema


_FUNCTION: Table = {
    "name": Field(tool_name, "name", required=True),
    "description": Field(text, "description"),
    "parameters": Field(tool_parameters, "parameters"),
    "strict": Field(boolean, "strict"),
}
_KIND = Field(only("function"), required=True)
_CHAT_TOOL: Table = {"type": _KIND, "function": Field(group(_FUNCTION), "tool", required=True)}
_RESPONSES_TOOL: Table = {
    "type": _KIND,
    **_FUNCTION,
    "defer_loading": Field(only(False), note="all tools are told to the model"),
    "output_schema": Field(as_object, note="it says nothing to a model"),
    "allowed_callers": Field(only(["direct"])),
}
CACHE_CONTROL: Table = {"type": Field(only("ephemeral"), required=True), "ttl": Field(text)}
_ANTHROPIC_TOOL: Table = {
    "type": Field(only("custom")),
    "name": Field(tool_name, "name", required=True),
    "description": Field(text, "description"),
    "input_schema": Field(tool_parameters, "parameters", required=True),
    "strict": Field(boolean, "strict"),
    "cache_control": Field(group(CACHE_CONTROL), note="every prompt is cached"),
    "defer_loading": Field(only(False), note="all tools are told to the model"),
    "input_examples": Field(only([])),
    "eager_input_streaming": Field(boolean, note="input is streamed as it comes"),
    "allowed_callers": Field(only(["direct"])),
}

Reading = Callable[[Any, str], FunctionTool]


def _chat_tool(value: Any, path: str) -> FunctionTool:
    _check_kind(value, path, "function")
    return FunctionTool(**read_object(_CHAT_TOOL, value, path)["tool"])


def _responses_tool(value: Any, path: str) -> FunctionTool:
    _check_kind(value, path, "function")
    return FunctionTool(**read_object(_RESPONSES_TOOL, value, path))


def _anthropic_tool(value: Any, path: str) -> FunctionTool:
    if as_object(value, path).get("type") is not None:
        _check_kind(value, path, "custom")
    return FunctionTool(**read_object(_ANTHROPIC_TOOL, value, path))


def _chat_function(value: Any, path: str) -> FunctionTool:
    return FunctionTool(**read_object(_FUNCTION, value, path))


def _check_kind(value: Any, path: str, known: str) -> None:
    where = join(path, "type")
    kind = as_object(value, path).get("type")
    if kind is None:
        raise missing(where)
    if text(kind, where) != known:
        raise refuse_other(kind, where)


# ---------------------------------------------------------------- all of a request


def _tools(read_one: Reading, table: Mapping[str, Field]) -> Described[list[FunctionTool]]:
    """An array of tools with different names."""

    @described(array_of(object_schema(table)))
    def read(value: Any, path: str) -> list[FunctionTool]:
        if not isinstance(value, list):
            raise wrong_type(path, "an array of tools", value)
        tools = [read_one(each, f"{path}[{index}]") for index, each in enumerate(value)]
        seen: set[str] = set()
        for index, tool in enumerate(tools):
            if tool.name in seen:
                message = f"Invalid '{path}[{index}]': another tool is named '{tool.name}' already."
                raise InvalidRequest(message, f"{path}[{index}]", "invalid_value")
            seen.add(tool.name)
        return tools

    return read


chat_tools = _tools(_chat_tool, _CHAT_TOOL)
chat_functions = _tools(_chat_function, _FUNCTION)  # `functions`, the deprecated form
responses_tools = _tools(_responses_tool, _RESPONSES_TOOL)
anthropic_tools = _tools(_anthropic_tool, _ANTHROPIC_TOOL)
