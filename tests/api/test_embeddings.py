"""The body of POST /v1/embeddings: what is read of it, and what is refused."""

from typing import Any

import msgspec
import pytest

from serve_daemon.api.embeddings import EmbeddingRequest, read_embedding_request
from serve_daemon.api.errors import InvalidRequest


def read(**fields: Any) -> EmbeddingRequest:
    return read_embedding_request(msgspec.json.encode({"model": "m", "input": "x", **fields}))


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("hello", ["hello"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        (["x"] * 2048, ["x"] * 2048),
    ],
)
def test_the_input_in_all_its_forms(given: Any, texts: list[Any]) -> None:
    """One text or several, as text or as token ids."""
    assert read(input=given).texts == texts


def test_the_other_fields() -> None:
    """With their defaults where they are absent, or null."""
    plain = read(dimensions=None, user=None)
    assert (plain.dimensions, plain.encoding_format, plain.truncate_prompt_tokens) == (
        0,
        "float",
        0,
    )
    assert plain.add_special_tokens
    full = read(
        dimensions=64,
        encoding_format="base64",
        user="u",
        truncate_prompt_tokens=-1,
        add_special_tokens=False,
    )
    assert (full.dimensions, full.encoding_format, full.user) == (64, "base64", "u")
    assert (full.truncate_prompt_tokens, full.add_special_tokens) == (-1, False)


@pytest.mark.parametrize(
    ("fields", "param", "told"),
    [
        ({"input": None}, "input", "Missing required parameter"),
        ({"input": ""}, "input", "empty string"),
        ({"input": ["a", ""]}, "input[1]", "empty string"),
        ({"input": []}, "input", "empty array"),
        ({"input": [[1], []]}, "input[1]", "empty array"),
        ({"input": ["a", 1]}, "input[1]", "expected a string"),
        ({"input": [1, "a"]}, "input[1]", "expected an integer"),
        ({"input": [[1], 2]}, "input[1]", "expected an array"),
        ({"input": [-1]}, "input[0]", "less than the minimum"),
        ({"input": [True]}, "input[0]", "boolean"),
        ({"input": {"text": "a"}}, "input", "expected a string, or an array"),
        ({"input": ["x"] * 2049}, "input", "2049 prompts are more than the most, 2048"),
        ({"dimensions": 0}, "dimensions", "less than the minimum"),
        ({"encoding_format": "int8"}, "encoding_format", "'float' or 'base64'"),
        ({"encoding_format": 1}, "encoding_format", "expected a string"),
        ({"truncate_prompt_tokens": 0}, "truncate_prompt_tokens", "nothing would be left"),
        ({"truncate_prompt_tokens": -2}, "truncate_prompt_tokens", "less than the minimum"),
        ({"stream": True}, "stream", "Unknown parameter"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], param: str, told: str) -> None:
    """By the name of the field, and the place in it."""
    with pytest.raises(InvalidRequest) as refused:
        read(**fields)
    assert refused.value.param == param
    assert told in refused.value.message
