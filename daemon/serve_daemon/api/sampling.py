"""The fields that say how tokens are drawn; all but OpenAI's own are named as vLLM names them."""

from typing import Any

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Table,
    as_object,
    boolean,
    integer,
    join,
    number,
    stop_strings,
    strings,
    wrong_type,
)
from serve_daemon.api.schemas import Described, array_of, described

MAX_TOKENS = 2**31 - 1
MAX_TOKEN = 2**31 - 1
MAX_TOP_K = 2**31 - 1
MAX_BIASES = 1024
MAX_STOP_TOKENS = 128
MAX_ALLOWED_TOKENS = 1024
MAX_BAD_WORDS = 128
# Beyond these, float32 has no place for what a penalty makes of a logit.
LEAST_REPETITION_PENALTY = 0.01
MOST_REPETITION_PENALTY = 100.0


token = integer(0, MAX_TOKEN)
_bias = number(-100, 100)


@described(
    {
        "type": "object",
        "propertyNames": {"pattern": "^[0-9]+$"},
        "additionalProperties": _bias.schema,
        "maxProperties": MAX_BIASES,
    }
)
def logit_bias(value: Any, path: str) -> dict[int, float]:
    """An object from token ids, which are strings in JSON, to biases."""
    given = as_object(value, path)
    if len(given) > MAX_BIASES:
        message = f"Invalid '{path}': {len(given)} tokens are more than the maximum, {MAX_BIASES}."
        raise InvalidRequest(message, path, "object_above_max_properties")
    return {_token_name(name, path): _bias(bias, join(path, name)) for name, bias in given.items()}


def _token_name(name: str, path: str) -> int:
    if not (name.isascii() and name.isdigit()):
        message = f"Invalid '{path}': {name!r:.80} is no token id."
        raise InvalidRequest(message, path, "invalid_value")
    # So many digits name no token, and Python refuses to read numbers that are longer still.
    return token(int(name[:20]), join(path, name))


def token_ids(most: int) -> Described[list[int]]:
    """At most so many token ids."""

    @described(array_of(token.schema, most=most))
    def read(value: Any, path: str) -> list[int]:
        if not isinstance(value, list):
            raise wrong_type(path, "an array of integers", value)
        if len(value) > most:
            message = f"Invalid '{path}': {len(value)} tokens are more than the maximum, {most}."
            raise InvalidRequest(message, path, "array_above_max_length")
        return [token(each, f"{path}[{index}]") for index, each in enumerate(value)]

    return read


SAMPLING: Table = {
    "temperature": Field(number(0, 2), "temperature", note="0 takes the likeliest token always"),
    "top_p": Field(number(0, 1, above_low=True), "top_p"),
    "presence_penalty": Field(number(-2, 2), "presence_penalty"),
    "frequency_penalty": Field(number(-2, 2), "frequency_penalty"),
    "logit_bias": Field(logit_bias, "logit_bias", note="by the ids of tokens"),
    "seed": Field(
        integer(-(2**63), 2**64 - 1),
        "seed",
        note="an equal request with an equal seed gets an equal answer, whatever is beside it",
    ),
    "stop": Field(stop_strings, "stop", note="what ends an answer, and is not told"),
    "top_k": Field(integer(0, MAX_TOP_K), "top_k", note="0 is all tokens"),
    "min_p": Field(number(0, 1), "min_p", note="as a part of the likeliest token's probability"),
    "typical_p": Field(number(0, 1, above_low=True), "typical_p"),
    "repetition_penalty": Field(
        number(LEAST_REPETITION_PENALTY, MOST_REPETITION_PENALTY),
        "repetition_penalty",
        note="of tokens that are in the prompt or the answer; 1 is none",
    ),
    "min_tokens": Field(
        integer(0, MAX_TOKENS), "min_tokens", note="nothing ends the answer before"
    ),
    "ignore_eos": Field(boolean, "ignore_eos", note="the model can't end its answer"),
    "stop_token_ids": Field(token_ids(MAX_STOP_TOKENS), "stop_token_ids"),
    "bad_words": Field(
        strings("word", MAX_BAD_WORDS), "bad_words", note="texts that no answer has"
    ),
    "allowed_token_ids": Field(
        token_ids(MAX_ALLOWED_TOKENS), "allowed_token_ids", note="an answer has no others"
    ),
}
