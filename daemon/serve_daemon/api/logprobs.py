"""Log-probabilities of tokens, as both endpoints write them."""

from typing import Any

from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest

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


def check_top_logprobs(attributes: dict[str, Any], condition: str) -> None:
    """Raise `InvalidRequest` for top_logprobs of a request that asks for none at all."""
    if attributes.get("top_logprobs") and not attributes.get("logprobs"):
        message = f"Invalid 'top_logprobs': it needs {condition}."
        raise InvalidRequest(message, "top_logprobs", "invalid_value")
