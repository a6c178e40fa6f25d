"""The request and the reply of POST /v1/embeddings."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import Field, Table, boolean, integer, read_object, text, wrong_type
from serve_daemon.api.prompt import Prompt, up_to
from serve_daemon.api.requests import decode_body
from serve_daemon.api.schemas import described

MAX_TEXTS = 2048
MAX_TOKENS = 300_000  # of all texts together, as OpenAI's
MAX_DIMENSIONS = 2**20
MAX_LENGTH = 2**31 - 1  # tokens
WHOLE_CONTEXT = -1  # as a length: that of the model's context

Encoding = Literal["float", "base64"]


@described({"enum": ["float", "base64"]})
def encoding_format(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise wrong_type(path, "a string", value)
    if value not in {"float", "base64"}:
        message = f"Invalid '{path}': expected 'float' or 'base64', but got '{value:.80}'."
        raise InvalidRequest(message, path, "invalid_value")
    return value


@described({"anyOf": [{"const": WHOLE_CONTEXT}, {"type": "integer", "minimum": 1}]})
def length(value: Any, path: str) -> int:
    """A number of tokens, or -1."""
    tokens = integer(WHOLE_CONTEXT, MAX_LENGTH)(value, path)
    if not tokens:
        message = f"Invalid '{path}': nothing would be left of the input."
        raise InvalidRequest(message, path, "integer_below_min_value")
    return tokens


EMBEDDINGS: Table = {
    "model": Field(text, "model", required=True),
    "input": Field(up_to(MAX_TEXTS, may_be_empty=False), "texts", required=True),
    "dimensions": Field(
        integer(1, MAX_DIMENSIONS),
        "dimensions",
        note="at most as many as the model's vectors have; what is cut gets length 1 again",
    ),
    "encoding_format": Field(encoding_format, "encoding_format"),
    "user": Field(text, "user"),
    "truncate_prompt_tokens": Field(
        length,
        "truncate_prompt_tokens",
        note="what is longer is cut at its end, special tokens stay; -1 is the model's context",
    ),
    "add_special_tokens": Field(boolean, "add_special_tokens", note="to texts, not to token ids"),
}


class EmbeddingRequest(Struct, frozen=True, kw_only=True):
    """A good body of POST /v1/embeddings."""

    model: str
    texts: list[Prompt]
    dimensions: int = 0  # 0: all that the model's vectors have
    encoding_format: Encoding = "float"
    user: str | None = None
    truncate_prompt_tokens: int = 0  # 0: nothing is cut
    add_special_tokens: bool = True


def read_embedding_request(body: bytes) -> EmbeddingRequest:
    """The request that `body` makes. Raises `InvalidRequest`."""
    return EmbeddingRequest(**read_object(EMBEDDINGS, decode_body(body)))


# ---------------------------------------------------------------- the reply


class Embedding(Struct, frozen=True):
    """The vector of one text."""

    index: int
    embedding: msgspec.Raw  # numbers, or a base64 string of little-endian float32
    object: str = "embedding"


class EmbeddingUsage(Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Struct, frozen=True):
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: str = "list"
