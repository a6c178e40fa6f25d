"""The schemas of readers: as honest as they can be."""

from typing import Any

import pytest

from serve_daemon.api.fields import (
    Field,
    boolean,
    group,
    integer,
    labels,
    number,
    object_schema,
    only,
    stop_strings,
    strings,
    text,
)
from serve_daemon.api.schemas import Schema, described, nullable, schema_of
from serve_daemon.api.variants import items, variant


@pytest.mark.parametrize(
    ("reader", "schema"),
    [
        (text, {"type": "string"}),
        (boolean, {"type": "boolean"}),
        (integer(1, 5), {"type": "integer", "minimum": 1, "maximum": 5}),
        (number(0, 2), {"type": "number", "minimum": 0, "maximum": 2}),
        (
            number(0, 1, above_low=True),
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        ),
        (only("auto", "none"), {"enum": ["auto", "none"]}),
        (only(), {"enum": [None]}),
        (
            strings("word", 2),
            {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 2},
        ),
        (
            items(group({}), least=1),
            {"type": "array", "items": object_schema({}), "minItems": 1},
        ),
    ],
)
def test_a_reader_says_what_it_accepts(reader: Any, schema: Schema) -> None:
    """Its range included."""
    assert schema_of(reader) == schema


def test_a_reason_and_a_note_are_described() -> None:
    """For whoever reads the document of the API."""
    table = {
        "a": Field(only(reason="there is none")),
        "b": Field(text, note="seen by nobody"),
        "c": Field(only(1, reason="one is enough"), note="always one", required=True),
    }
    fields = object_schema(table)["properties"]
    assert fields["a"]["description"] == "There is none."
    assert fields["b"] == {"type": ["string", "null"], "description": "Seen by nobody."}
    assert fields["c"] == {"enum": [1], "description": "One is enough. Always one."}


def test_null_is_as_good_as_absent_but_for_what_is_required() -> None:
    """As the reader of objects has it."""
    schema = object_schema({"a": Field(text, required=True), "b": Field(stop_strings)})
    assert schema["required"] == ["a"]
    assert schema["properties"]["a"] == {"type": "string"}
    assert {"type": "null"} in schema["properties"]["b"]["anyOf"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {}),
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"enum": [1]}, {"enum": [1, None]}),
        ({"enum": [None]}, {"enum": [None]}),
        ({"anyOf": []}, {"anyOf": [{"anyOf": []}, {"type": "null"}]}),
    ],
)
def test_a_schema_with_null(schema: Schema, expected: Schema) -> None:
    """Said as shortly as it can be."""
    assert nullable(schema) == expected


def test_a_reader_that_is_not_described_accepts_what_it_does() -> None:
    """A plain function says nothing; a described one is called as before."""
    assert schema_of(lambda value, _path: value) == {}
    reader = described({"type": "object"})(lambda value, path: (value, path))
    assert reader({}, "a") == ({}, "a")


def test_a_variant_has_a_schema_for_each_kind() -> None:
    """With the kind as a constant."""
    reader = variant({"text": {"type": Field(text), "text": Field(text, required=True)}})
    [schema] = reader.schema["oneOf"]
    assert schema["properties"]["type"] == {"const": "text"}
    assert schema["required"] == ["type", "text"]
    assert reader({"type": "text", "text": "x"}, "a")[0] == "text"


def test_metadata_are_few_strings() -> None:
    """As many as OpenAI's API allows."""
    assert schema_of(labels)["maxProperties"] == 16
