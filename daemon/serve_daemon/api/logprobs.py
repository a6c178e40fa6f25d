"""Log-probabilities of tokens, as both endpoints write them."""

from typing import Any

from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import text, unsupported, wrong_type

MAX_TOP_LOGPROBS = 20
INCLUDED_LOGPROBS = "message.output_text.logprobs"


class TopLogprob(Struct, frozen=True):
    token: str
    bytes: list[int]
    logprob: float


class TokenLogprob(Struct, frozen=True):
    """One token of an answer, and the likeliest in its place."""

    token: str
    bytes: list[int]
    logprob: float
    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(Struct, frozen=True):
    content: list[TokenLogprob]
    refusal: None = None


def included(value: Any, path: str) -> bool:
    """Whether `include` asks for log-probabilities, which are all that it may ask for."""
    if not isinstance(value, list):
        raise wrong_type(path, "an array of strings", value)
    for index, name in enumerate(value):
        if text(name, f"{path}[{index}]") != INCLUDED_LOGPROBS:
            raise unsupported(f"{path}[{index}]", name)
    return bool(value)


def check_top_logprobs(attributes: dict[str, Any], condition: str) -> None:
    """Raise `InvalidRequest` for top_logprobs of a request that asks for none at all."""
    if attributes.get("top_logprobs") and not attributes.get("logprobs"):
        message = f"Invalid 'top_logprobs': it needs {condition}."
        raise InvalidRequest(message, "top_logprobs", "invalid_value")
