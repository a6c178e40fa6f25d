"""What form an answer must have, by whatever field a client says it."""

from typing import Any

import msgspec
import pytest

from serve_daemon.api.chat_completions import read_chat_request
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.output_format import (
    TEXT,
    OutputFormat,
    response_format,
    structured_outputs,
    take_output_format,
    text_format,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"type": "text"}, TEXT),
        ({"type": "json_object"}, OutputFormat("json_object", field="f")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            OutputFormat(
                "json_schema", "n", schema=SCHEMA, strict=True, field="f.json_schema.schema"
            ),
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "strict": None}},
            OutputFormat("json_schema", "n", field="f.json_schema.schema"),
        ),
    ],
)
def test_a_response_format_is_read(value: Any, form: OutputFormat) -> None:
    """A schema stands in an object of its own."""
    assert response_format(value, "f") == form


def test_a_text_format_is_flat() -> None:
    """As Responses has it."""
    value = {"type": "json_schema", "name": "n", "description": "d", "schema": SCHEMA}
    expected = OutputFormat("json_schema", "n", "d", SCHEMA, field="text.format.schema")
    assert text_format(value, "text.format") == expected
    assert text_format({"type": "text"}, "text.format") == TEXT


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"json": SCHEMA}, OutputFormat("json_schema", schema=SCHEMA, field="s.json")),
        (
            {"json": '{"type":"null"}'},
            OutputFormat("json_schema", schema={"type": "null"}, field="s.json"),
        ),
        ({"regex": "a+"}, OutputFormat("regex", pattern="a+", field="s.regex")),
        ({"choice": ["a", "b"]}, OutputFormat("choice", choices=["a", "b"], field="s.choice")),
        (
            {"grammar": 'root ::= "x"'},
            OutputFormat("grammar", grammar='root ::= "x"', field="s.grammar"),
        ),
        ({"json_object": True, "json": None}, OutputFormat("json_object", field="s.json_object")),
        (
            {"json": True, "whitespace_pattern": " ?", "disable_additional_properties": True},
            OutputFormat("json_schema", whitespace=" ?", is_closed=True, field="s.json"),
        ),
        (
            {
                "json_object": False,
                "regex": "a",
                "disable_any_whitespace": True,
                "disable_fallback": True,
            },
            OutputFormat("regex", pattern="a", field="s.regex"),
        ),
    ],
)
def test_structured_outputs_have_one_constraint(value: Any, form: OutputFormat) -> None:
    """And options, which come with it."""
    assert structured_outputs(value, "s") == form


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "structural_tag"}}, "response_format.type"),
        ({"response_format": {"type": "json_object", "schema": {}}}, "response_format.schema"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": 1}}},
            "response_format.json_schema.schema",
        ),
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs"),
        ({"structured_outputs": {"json": "{"}}, "structured_outputs.json"),
        ({"structured_outputs": {"json": 5}}, "structured_outputs.json"),
        ({"structured_outputs": {"choice": []}}, "structured_outputs.choice"),
        ({"structured_outputs": {"regex": ""}}, "structured_outputs.regex"),
        ({"structured_outputs": {"structural_tag": "{}"}}, "structured_outputs.structural_tag"),
        (
            {
                "structured_outputs": {
                    "json": {},
                    "disable_any_whitespace": True,
                    "whitespace_pattern": " ",
                }
            },
            "structured_outputs.whitespace_pattern",
        ),
        ({"guided_choice": ["a", ""]}, "guided_choice[1]"),
        ({"guided_regex": "a", "response_format": {"type": "json_object"}}, "guided_regex"),
        ({"guided_json": {}, "structured_outputs": {"regex": "a"}}, "guided_json"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    """By the path of the field."""
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    with pytest.raises(InvalidRequest) as refused:
        read_chat_request(msgspec.json.encode(body))
    assert refused.value.param == param


def test_older_names_say_the_same() -> None:
    """The whitespace of `guided_whitespace_pattern` is that of the one form."""
    attributes = {"response_format": TEXT, "guided_whitespace_pattern": " ", "model": "m"}
    form = OutputFormat("json_object")
    assert take_output_format(attributes | {"structured_outputs": form}).whitespace == " "
    assert take_output_format({"guided_choice": OutputFormat("choice", choices=["a"])}).choices == [
        "a"
    ]
    assert take_output_format({}) == TEXT
