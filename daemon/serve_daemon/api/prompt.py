"""The `prompt` of completions, and what embeddings are made of: texts, or their token ids."""

from typing import Any

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import text, wrong_type
from serve_daemon.api.sampling import MAX_TOKEN, token
from serve_daemon.api.schemas import Described, Schema, array_of, described

MAX_PROMPTS = 1024
EXPECTED = "a string, or an array of strings, of token ids, or of arrays of token ids"

Prompt = str | list[int]

_TOKENS = array_of(token.schema, least=1)


def up_to(most: int, *, may_be_empty: bool = True) -> Described[list[Prompt]]:
    """All of them; texts that are empty only where they `may_be_empty`."""
    text_schema: Schema = {"type": "string"} if may_be_empty else {"type": "string", "minLength": 1}
    several = (array_of(each, least=1, most=most) for each in (text_schema, _TOKENS))

    @described({"anyOf": [text_schema, _TOKENS, *several]})
    def read(value: Any, path: str) -> list[Prompt]:
        prompts = _prompts(value, path, most)
        if "" in prompts and not may_be_empty:
            where = path if isinstance(value, str) else f"{path}[{prompts.index('')}]"
            raise InvalidRequest(f"Invalid '{where}': empty string.", where, "empty_string")
        return prompts

    return read


prompts = up_to(MAX_PROMPTS)


def _prompts(value: Any, path: str, most: int) -> list[Prompt]:
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
    if len(value) > most:
        message = f"Invalid '{path}': {len(value)} prompts are more than the most, {most}."
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
