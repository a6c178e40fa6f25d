"""The requests of POST /v1/messages and /v1/messages/count_tokens: Anthropic's Messages API."""

import re
from typing import Any, ClassVar

import msgspec

from serve_daemon.api.anthropic_messages import (
    CACHE_CONTROL,
    NO_HOSTED_TOOLS,
    anthropic_messages,
    any_object,
    system_text,
)
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Table,
    boolean,
    group,
    integer,
    number,
    only,
    read_object,
    strings,
    text,
)
from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.output_format import OutputFormat
from serve_daemon.api.requests import GenerationRequest, decode_body
from serve_daemon.api.sampling import MAX_TOKENS, MAX_TOP_K
from serve_daemon.api.schemas import described
from serve_daemon.api.tool_choice import anthropic_tool_choice, check_tool_choice
from serve_daemon.api.tools import anthropic_tools
from serve_daemon.api.variants import variant

USUAL_EFFORT = "high"  # what Anthropic's models do where nothing is asked for
LEAST_BUDGET = 1024
MAX_STOP_SEQUENCES = 64
ONE_PLACE = "there is one server, and it is where it is"

# ---------------------------------------------------------------- thinking

DISPLAY = Field(only("summarized", "omitted"), "display")
THINKING = variant(
    {
        "enabled": {
            "type": Field(text),
            "budget_tokens": Field(
                integer(LEAST_BUDGET, MAX_TOKENS),
                "budget",
                required=True,
                note="told to the model where its chat template knows 'thinking_budget'",
            ),
            "display": DISPLAY,
        },
        "adaptive": {"type": Field(text), "display": DISPLAY},
        "disabled": {"type": Field(text)},
    },
    refused={"between_tools": "the model thinks before it calls tools, or not at all"},
)

THINKS = {"enabled": True, "adaptive": None, "disabled": False}

# ---------------------------------------------------------------- the form of the answer

JSON_FORMAT: Table = {
    "type": Field(only("json_schema"), required=True),
    "schema": Field(any_object, "schema", required=True),
}


@described(group(JSON_FORMAT).schema)
def json_format(value: Any, path: str) -> OutputFormat:
    """`format` of `output_config`."""
    schema = read_object(JSON_FORMAT, value, path)["schema"]
    return OutputFormat("json_schema", schema=schema, strict=True, field=f"{path}.schema")


OUTPUT_CONFIG: Table = {
    "format": Field(json_format, "output_format"),
    "effort": Field(
        only("low", "medium", USUAL_EFFORT, "xhigh", "max"),
        "effort",
        note="as far as the model's chat template knows of it; 'high' is as if it were not there",
    ),
}

# ---------------------------------------------------------------- the whole bodies

KEPT_CONTEXT = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}

COUNTED: Table = {
    "model": Field(text, "model", required=True),
    "messages": Field(anthropic_messages, "messages", required=True),
    "system": Field(system_text, "system"),
    "tools": Field(anthropic_tools, "tools"),
    "tool_choice": Field(anthropic_tool_choice, "tool_choice"),
    "thinking": Field(THINKING, "thinking"),
    "output_config": Field(group(OUTPUT_CONFIG), "output_config"),
    "output_format": Field(json_format, "output_format"),
    "cache_control": CACHE_CONTROL,
    "speed": Field(only("standard", reason="there is one speed")),
    "mcp_servers": Field(only([], reason=NO_HOSTED_TOOLS)),
    "context_management": Field(
        only({}, {"edits": []}, KEPT_CONTEXT, reason="the context is kept as it is sent")
    ),
}

MESSAGES: Table = {
    **COUNTED,
    "max_tokens": Field(integer(1, MAX_TOKENS), "max_tokens", required=True),
    "metadata": Field(group({"user_id": Field(text, "user")}), "metadata"),
    "stop_sequences": Field(strings("stop sequence", MAX_STOP_SEQUENCES), "stop"),
    "stream": Field(boolean, "stream"),
    "temperature": Field(number(0, 1), "temperature"),
    "top_p": Field(number(0, 1, above_low=True), "top_p"),
    "top_k": Field(integer(0, MAX_TOP_K), "top_k"),
    "service_tier": Field(only("auto", "standard_only")),
    "container": Field(only(reason=NO_HOSTED_TOOLS)),
    "diagnostics": Field(only({}, reason="nothing is kept of earlier requests")),
    "inference_geo": Field(only(reason=ONE_PLACE)),
}


class MessagesRequest(GenerationRequest, frozen=True, kw_only=True):
    """A good body of either endpoint."""

    effort_field: ClassVar[str] = "output_config.effort"

    is_thinking_shown: bool = True
    marks_cache: bool = False  # it says where prompts may be cached, so the usage tells what was


# As a key: within a string the quotes would be escaped.
CACHE_MARK = re.compile(rb'"cache_control"\s*:')


def read_messages_request(body: bytes) -> MessagesRequest:
    """The request that `body` makes of /v1/messages.

    Raises `InvalidRequest` for what is malformed or not supported.
    """
    request = _request(read_object(MESSAGES, decode_body(body)))
    marks_cache = CACHE_MARK.search(body) is not None
    return msgspec.structs.replace(request, marks_cache=marks_cache)


def read_count_request(body: bytes) -> MessagesRequest:
    """The request that `body` makes of /v1/messages/count_tokens. Raises as the other does."""
    return _request(read_object(COUNTED, decode_body(body)))


def _request(attributes: dict[str, Any]) -> MessagesRequest:
    messages: list[ChatMessage] = attributes.pop("messages")
    if system := attributes.pop("system", ""):
        messages = [ChatMessage("system", system), *messages]
    choice = attributes.get("tool_choice")
    if choice is not None:
        check_tool_choice(attributes.get("tools", []), choice)
    config = attributes.pop("output_config", {})
    if "output_format" in config and "output_format" in attributes:
        message = "Invalid 'output_format': 'output_config.format' says the same."
        raise InvalidRequest(message, "output_format", "invalid_value")
    is_begun = _is_begun(messages[-1])
    return MessagesRequest(
        messages=messages,
        add_generation_prompt=not is_begun,
        continue_final_message=is_begun,
        parallel_tool_calls=not (choice and choice.is_single),
        **attributes.pop("metadata", {}),
        **_thinking(attributes, config.pop("effort", None)),
        **config,
        **attributes,
    )


def _is_begun(last: ChatMessage) -> bool:
    """Whether the answer is to go on from the last message."""
    return last.role == "assistant" and not last.tool_calls


def _thinking(attributes: dict[str, Any], effort: str | None) -> dict[str, Any]:
    """What `thinking` and `effort` say, as attributes of the request."""
    kind, wanted = attributes.pop("thinking", ("adaptive", {}))
    budget = wanted.get("budget")
    if budget is not None and budget >= attributes.get("max_tokens", MAX_TOKENS):
        message = "Invalid 'thinking.budget_tokens': it must be less than 'max_tokens'."
        raise InvalidRequest(message, "thinking.budget_tokens", "invalid_value")
    return {
        "thinking": THINKS[kind],
        "thinking_budget": budget,
        "is_thinking_shown": wanted.get("display") != "omitted",
        "reasoning_effort": None if effort == USUAL_EFFORT else effort,
    }
