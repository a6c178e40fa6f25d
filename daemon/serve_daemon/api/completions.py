"""The request and the replies of POST /v1/completions."""

from typing import Any, ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType

from serve_daemon.api.chat_completions import MAX_CHOICES
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import Field, Table, boolean, integer, only, read_object, unsupported
from serve_daemon.api.output_format import FORMAT_FIELDS, take_output_format
from serve_daemon.api.prompt import Prompt, prompts
from serve_daemon.api.requests import SHARED, GenerationRequest, decode_body
from serve_daemon.api.sampling import MAX_TOKENS
from serve_daemon.api.stream_options import STREAM_OPTIONS, take_stream_options
from serve_daemon.api.usage import TokenUsage

DEFAULT_MAX_TOKENS = 16
MAX_LOGPROBS = 5
MAX_ANSWERS = 1024  # of a request, to all its prompts

COMPLETIONS: Table = {
    **SHARED,
    **FORMAT_FIELDS,
    "prompt": Field(prompts, "prompts", required=True),
    "max_tokens": Field(integer(0, MAX_TOKENS), "max_tokens", note="0 with echo alone"),
    "n": Field(integer(1, MAX_CHOICES), "n"),
    "best_of": Field(integer(1, MAX_CHOICES), "best_of", note="as many as n"),
    "echo": Field(
        boolean,
        "echo",
        note="with logprobs, those of the prompt are told too, which may then have 2048 tokens",
    ),
    "logprobs": Field(integer(0, MAX_LOGPROBS), "logprobs"),
    "top_logprobs": Field(only(0, reason="'logprobs' says how many")),
    "stream_options": STREAM_OPTIONS,
    "add_special_tokens": Field(
        boolean,
        "add_special_tokens",
        note="true: those that the tokenizer's makers have it add; the default",
    ),
    "tools": Field(only([], reason="tools are for conversations")),
    "tool_choice": Field(only("none", "auto", reason="tools are for conversations")),
    "store": Field(only(False, reason="completions are not kept; /v1/responses keeps its own")),
    "suffix": Field(only("", reason="its models write what follows a text, not what goes between")),
}


class CompletionsRequest(GenerationRequest, frozen=True, kw_only=True):
    """A good body of POST /v1/completions."""

    messages_field: ClassVar[str] = "prompt"

    prompts: list[Prompt]
    n: int = 1
    echo: bool = False
    include_usage: bool = False
    include_obfuscation: bool = False


def read_completions_request(body: bytes) -> CompletionsRequest:
    """The request that `body` makes.

    Raises `InvalidRequest` for what is malformed or not supported.
    """
    attributes = read_object(COMPLETIONS, decode_body(body))
    attributes |= take_stream_options(attributes) | _take_logprobs(attributes)
    attributes.setdefault("max_tokens", DEFAULT_MAX_TOKENS)
    _check_max_tokens(attributes)
    _check_count(attributes)
    form = take_output_format(attributes)
    return CompletionsRequest(**attributes, output_format=form)


def _take_logprobs(attributes: dict[str, Any]) -> dict[str, Any]:
    """0 asks for those of the tokens themselves."""
    count = attributes.pop("logprobs", None)
    return {} if count is None else {"logprobs": True, "top_logprobs": count}


def _check_max_tokens(attributes: dict[str, Any]) -> None:
    if not (attributes["max_tokens"] or attributes.get("echo")):
        message = "Invalid 'max_tokens': it must be 1 at least, unless 'echo' is true."
        raise InvalidRequest(message, "max_tokens", "integer_below_min_value")


def _check_count(attributes: dict[str, Any]) -> None:
    n = attributes.get("n", 1)
    best_of = attributes.pop("best_of", n)
    if best_of != n:
        raise unsupported("best_of", best_of, "of all that it makes, it chooses none; ask for 'n'")
    if len(attributes["prompts"]) * n > MAX_ANSWERS:
        message = (
            f"Invalid 'n': {n} answers to each of {len(attributes['prompts'])} prompts are more"
            f" than the most, {MAX_ANSWERS}."
        )
        raise InvalidRequest(message, "n", "integer_above_max_value")


# ---------------------------------------------------------------- replies


class TextLogprobs(Struct, frozen=True):
    """Log-probabilities of the tokens of a text, in lists that are all as long."""

    text_offset: list[int]  # where each token begins in the text, in characters
    token_logprobs: list[float | None]  # null for the first of an echoed prompt
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None]


class TextChoice(Struct, frozen=True):
    text: str
    index: int
    finish_reason: Literal["stop", "length"] | None = None  # null while a stream goes on
    logprobs: TextLogprobs | None = None


class TextCompletion(Struct, frozen=True):
    """The reply, and each event of a stream."""

    id: str
    created: int
    model: str
    choices: list[TextChoice]
    system_fingerprint: str
    object: str = "text_completion"
    usage: TokenUsage | UnsetType | None = UNSET
