"""The tools that a request offers, and which of them the model may, or must, call."""

from typing import Any, Literal

from msgspec import Struct

from serve_daemon.api.fields import only


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


AUTO = ToolChoice()


def tool_mode(value: Any, path: str) -> ToolChoice:
    """The `tool_choice` of a request that offers no tools."""
    return ToolChoice(only("auto", "none")(value, path))
