"""The `prompt` of completions: one or several, each a text or its token ids."""

from typing import Any

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import text, wrong_type
from serve_daemon.api.sampling import MAX_TOKEN, token
from serve_daemon.api.schemas import array_of, described

MAX_PROMPTS = 1024
EXPECTED = "a string, or an array of strings, of token ids, or of arrays of token ids"

Prompt = str | list[int]

_TOKENS = array_of(token.schema, least=1)
_SEVERAL = {"minItems": 1, "maxItems": MAX_PROMPTS}


@described(
    {
        "anyOf": [
            {"type": "string"},
            _TOKENS,
            {"type": "array", "items": {"type": "string"}, **_SEVERAL},
            {"type": "array", "items": _TOKENS, **_SEVERAL},
        ]
    }
)
def prompts(value: Any, path: str) -> list[Prompt]:
    """All of them."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise wrong_type(path, EXPECTED, value)
    _check_length(value, path)
    match value[0]:
        case bool():
            raise wrong_type(f"{path}[0]", "a string, an integer, or an array", value[0])
        case int() | float():
            return [_tokens(value, path)]
    if len(value) > MAX_PROMPTS:
        message = f"Invalid '{path}': {len(value)} prompts are more than the most, {MAX_PROMPTS}."
        raise InvalidRequest(message, path, "array_above_max_length")
    if isinstance(value[0], str):
        return [text(each, f"{path}[{index}]") for index, each in enumerate(value)]
    return [_token_array(each, f"{path}[{index}]") for index, each in enumerate(value)]


def _token_array(value: Any, path: str) -> list[int]:
    if not isinstance(value, list):
        raise wrong_type(path, "an array of token ids", value)
    _check_length(value, path)
    return _tokens(value, path)


def _tokens(values: list[Any], path: str) -> list[int]:
    if all(type(each) is int and 0 <= each <= MAX_TOKEN for each in values):
        return values  # a prompt may be long, and is nearly always good
    return [token(each, f"{path}[{index}]") for index, each in enumerate(values)]


def _check_length(values: list[Any], path: str) -> None:
    if not values:
        message = f"Invalid '{path}': empty array. Expected {EXPECTED}."
        raise InvalidRequest(message, path, "empty_array")
