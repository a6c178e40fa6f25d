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
    number,
    only,
    stop_strings,
    text,
)
from serve_daemon.api.messages import ChatMessage

MAX_TOKENS = 2**31 - 1
MAX_TOP_K = 2**31 - 1


class GenerationRequest(Struct, frozen=True, kw_only=True):
    """What is to be generated; None where the client leaves it to the model's defaults."""

    messages_field: ClassVar[str] = "messages"

    model: str
    messages: list[ChatMessage]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: list[str] = []
    stream: bool = False
    metadata: dict[str, str] = {}
    parallel_tool_calls: bool = True
    tool_choice: str = "auto"
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


# Of every object that is neutral when empty, and of every field that this version has not got.
NOTHING = Field(only())
EMPTY_OBJECT = Field(only({}))
EMPTY_ARRAY = Field(only([]))

SHARED: Table = {
    "model": Field(text, "model", required=True),
    "temperature": Field(number(0, 2), "temperature"),
    "top_p": Field(number(0, 1, above_low=True), "top_p"),
    "stream": Field(boolean, "stream"),
    "metadata": Field(labels, "metadata"),
    "user": Field(text, "user"),
    "safety_identifier": Field(text, "safety_identifier"),
    "prompt_cache_key": Field(text, "prompt_cache_key"),
    "parallel_tool_calls": Field(boolean, "parallel_tool_calls"),
    "tool_choice": Field(only("auto", "none"), "tool_choice"),
    "tools": EMPTY_ARRAY,
    "store": Field(only(False)),  # nothing is kept, so true would be a promise broken
    "service_tier": Field(only("auto", "default")),
    "prompt_cache_retention": Field(only("in_memory")),
    "prompt_cache_options": Field(only({}, {"mode": "implicit"})),
    "moderation": NOTHING,
    "top_logprobs": Field(only(0)),
    # Extensions, named as Transformers and other servers name them.
    "top_k": Field(integer(0, MAX_TOP_K), "top_k"),
    "seed": Field(integer(-(2**63), 2**64 - 1), "seed"),
    "stop": Field(stop_strings, "stop"),
}


def decode_body(body: bytes) -> Any:
    """The JSON value of a request body."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"We could not parse the JSON body of your request: {error}"
        raise InvalidRequest(message, None, "invalid_json") from error
