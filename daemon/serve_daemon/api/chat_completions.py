"""The request of POST /v1/chat/completions."""

from typing import Any

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Table,
    as_object,
    boolean,
    integer,
    join,
    only,
    read_object,
)
from serve_daemon.api.logprobs import check_top_logprobs
from serve_daemon.api.messages import TEXT_ALONE, chat_messages
from serve_daemon.api.output_format import FORMAT_FIELDS, take_output_format
from serve_daemon.api.requests import SHARED, GenerationRequest, decode_body
from serve_daemon.api.sampling import MAX_TOKENS
from serve_daemon.api.schemas import described
from serve_daemon.api.stream_options import STREAM_OPTIONS, take_stream_options
from serve_daemon.api.tool_choice import chat_tool_choice, check_tool_choice, function_call_choice
from serve_daemon.api.tools import ToolChoice, chat_functions, chat_tools
from serve_daemon.api.verbosity import VERBOSITY, with_verbosity

MAX_CHOICES = 128
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
# What a chat template gets from other fields of the request.
TEMPLATE_FIELDS = ("messages", "tools", "add_generation_prompt", "continue_final_message")


@described({"type": "object"})
def template_variables(value: Any, path: str) -> dict[str, Any]:
    """What the chat template is told beside the conversation: `chat_template_kwargs`."""
    variables = as_object(value, path)
    for name in variables:
        if name in TEMPLATE_FIELDS:
            where = join(path, name)
            message = f"Invalid '{where}': '{name}' is a field of the request itself."
            raise InvalidRequest(message, where, "invalid_value")
    return variables


CHAT_COMPLETIONS: Table = {
    **SHARED,
    **FORMAT_FIELDS,
    "messages": Field(chat_messages, "messages", required=True),
    "max_completion_tokens": Field(integer(1, MAX_TOKENS), "max_completion_tokens"),
    "max_tokens": Field(
        integer(1, MAX_TOKENS), "max_tokens", note="deprecated: max_completion_tokens"
    ),
    "stream_options": STREAM_OPTIONS,
    "n": Field(integer(1, MAX_CHOICES), "n"),
    "logprobs": Field(boolean, "logprobs"),
    "tools": Field(chat_tools, "tools"),
    "tool_choice": Field(chat_tool_choice, "tool_choice"),
    "functions": Field(chat_functions, "functions", note="deprecated: tools"),
    "function_call": Field(function_call_choice, "function_call", note="deprecated: tool_choice"),
    "reasoning_effort": Field(
        only(*EFFORTS), "reasoning_effort", note="as far as the model's chat template knows of it"
    ),
    "include_reasoning": Field(boolean, "include_reasoning"),
    "verbosity": VERBOSITY,
    "chat_template_kwargs": Field(template_variables, "template_variables"),
    "add_generation_prompt": Field(boolean, "add_generation_prompt"),
    "continue_final_message": Field(boolean, "continue_final_message"),
    "store": Field(
        only(False, reason="chat completions are not kept; /v1/responses keeps its own")
    ),
    "modalities": Field(only(["text"], reason=TEXT_ALONE)),
    "audio": Field(only(reason=TEXT_ALONE)),
    "prediction": Field(only(reason="its engines make use of no predicted output")),
    "web_search_options": Field(only(reason="it runs no tools; offer a function instead")),
}


class ChatRequest(GenerationRequest, frozen=True, kw_only=True):
    """A good body of POST /v1/chat/completions."""

    n: int = 1
    include_usage: bool = False
    include_obfuscation: bool = False
    include_reasoning: bool = True
    uses_functions: bool = False  # the deprecated form of tools: calls are told in it too


def read_chat_request(body: bytes) -> ChatRequest:
    """The request that `body` makes.

    Raises `InvalidRequest` for what is malformed or not supported.
    """
    attributes = read_object(CHAT_COMPLETIONS, decode_body(body))
    check_top_logprobs(attributes, "'logprobs' to be true")
    newer = attributes.pop("max_completion_tokens", None)
    if newer is not None:
        attributes["max_tokens"] = newer  # max_tokens is its deprecated name
    verbosity = attributes.pop("verbosity", "medium")
    attributes["messages"] = with_verbosity(attributes["messages"], verbosity)
    attributes |= take_stream_options(attributes)
    attributes |= _take_functions(attributes)
    check_continuation(attributes)
    form = take_output_format(attributes)
    return ChatRequest(**attributes, output_format=form)


def _take_functions(attributes: dict[str, Any]) -> dict[str, Any]:
    """What is offered and what is chosen, by the names of today."""
    functions = attributes.pop("functions", [])
    function_call: ToolChoice | None = attributes.pop("function_call", None)
    tools, tool_choice = attributes.get("tools", []), attributes.get("tool_choice", ToolChoice())
    check_tool_choice(tools, tool_choice)
    if function_call is not None:
        check_tool_choice(functions, function_call, ("function_call", "functions"))
    if not functions:
        return {}
    if tools:
        message = "Invalid 'functions': it is the deprecated form of 'tools', which are there too."
        raise InvalidRequest(message, "functions", "invalid_value")
    return {
        "tools": functions,
        "tool_choice": function_call or ToolChoice(is_single=True),
        "uses_functions": True,
    }


def check_continuation(attributes: dict[str, Any]) -> None:
    """An answer begins anew or goes on, not both."""
    if attributes.get("continue_final_message"):
        if attributes.get("add_generation_prompt"):
            message = "Invalid 'add_generation_prompt': 'continue_final_message' is true."
            raise InvalidRequest(message, "add_generation_prompt", "invalid_value")
        attributes["add_generation_prompt"] = False
