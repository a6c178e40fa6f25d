"""What both endpoints ask of a model, and the fields that they share."""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Table,
    boolean,
    integer,
    labels,
    only,
    text,
)
from serve_daemon.api.logprobs import MAX_TOP_LOGPROBS
from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.output_format import TEXT, OutputFormat
from serve_daemon.api.sampling import SAMPLING
from serve_daemon.api.tools import AUTO, FunctionTool, ToolChoice, tool_mode


class GenerationRequest(Struct, frozen=True, kw_only=True):
    """What is to be generated; None where the client leaves it to the model's defaults."""

    messages_field: ClassVar[str] = "messages"
    effort_field: ClassVar[str] = "reasoning_effort"

    model: str
    messages: list[ChatMessage] = []
    prompt: str | list[int] | None = None  # in place of messages: no template is applied
    add_special_tokens: bool = True  # to a prompt that is text, as the tokenizer's makers have it
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[int, float] = {}
    seed: int | None = None
    stop: list[str] = []
    stop_token_ids: list[int] = []
    bad_words: list[str] = []
    allowed_token_ids: list[int] = []
    ignore_eos: bool = False
    min_tokens: int = 0
    logprobs: bool = False
    top_logprobs: int = 0
    stream: bool = False
    metadata: dict[str, str] = {}
    tools: list[FunctionTool] = []
    tool_choice: ToolChoice = AUTO
    parallel_tool_calls: bool = True
    output_format: OutputFormat = TEXT
    reasoning_effort: str | None = None
    thinking: bool | None = None  # whether the model is to reason; None: as it does by itself
    thinking_budget: int | None = None  # tokens that it should take for that, at most
    template_variables: dict[str, Any] = {}  # chat_template_kwargs
    add_generation_prompt: bool = True  # the marks that begin an answer
    continue_final_message: bool = False  # the answer is the rest of the last message
    truncation: str = "disabled"  # auto: the oldest messages are dropped if they don't fit
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


# Of every array that is neutral when empty, and of every field that this version has not got.
NOTHING = Field(only())
EMPTY_ARRAY = Field(only([]))

PARALLEL_CALLS = Field(
    boolean, "parallel_tool_calls", note="a model whose chat template knows no tools makes one call"
)

SHARED: Table = {
    "model": Field(text, "model", required=True),
    **SAMPLING,
    "stream": Field(boolean, "stream"),
    "metadata": Field(labels, "metadata"),
    "user": Field(text, "user"),
    "safety_identifier": Field(text, "safety_identifier"),
    "prompt_cache_key": Field(text, "prompt_cache_key"),
    "parallel_tool_calls": PARALLEL_CALLS,
    "tool_choice": Field(tool_mode, "tool_choice"),
    "tools": EMPTY_ARRAY,
    "store": Field(only(False)),  # of completions nothing is kept: true would be a promise broken
    "service_tier": Field(only("auto", "default")),
    "prompt_cache_retention": Field(
        only("in_memory", "24h"), note="prompts are kept for as long as there is room"
    ),
    "prompt_cache_options": Field(only({}, {"mode": "implicit"})),
    "moderation": NOTHING,
    "top_logprobs": Field(integer(0, MAX_TOP_LOGPROBS), "top_logprobs"),
}


def decode_body(body: bytes) -> Any:
    """The JSON value of a request body."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"We could not parse the JSON body of your request: {error}"
        raise InvalidRequest(message, None, "invalid_json") from error
