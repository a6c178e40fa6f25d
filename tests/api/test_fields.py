"""Readers of single fields."""

from typing import Any

import pytest

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Reader,
    boolean,
    group,
    integer,
    labels,
    number,
    only,
    read_object,
    stop_strings,
    text,
)

UNIT = number(0, 1, above_low=True)


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        (text, "", ""),
        (boolean, False, False),
        (integer(1, 5), 5, 5),
        (integer(1, 5), 2.0, 2),
        (number(0, 2), 0, 0.0),
        (number(0, 2), 2, 2.0),
        (UNIT, 1, 1.0),
        (only(0), 0, 0),
        (only(0), 0.0, 0.0),
        (only({}), {}, {}),
        (only("auto", "none"), "none", "none"),
        (labels, {"a": "b"}, {"a": "b"}),
        (stop_strings, "x", ["x"]),
        (stop_strings, ["a", "b", "c", "d"], ["a", "b", "c", "d"]),
        (stop_strings, [], []),
    ],
)
def test_a_good_value_is_read(read: Reader, value: Any, result: Any) -> None:
    """As what it means."""
    assert read(value, "field") == result


@pytest.mark.parametrize(
    ("read", "value", "code"),
    [
        (text, 1, "invalid_type"),
        (boolean, 1, "invalid_type"),
        (boolean, "true", "invalid_type"),
        (integer(1, 5), True, "invalid_type"),
        (integer(1, 5), 1.5, "invalid_type"),
        (integer(1, 5), "1", "invalid_type"),
        (integer(1, 5), 0, "integer_below_min_value"),
        (integer(1, 5), 6, "integer_above_max_value"),
        (number(0, 2), "1", "invalid_type"),
        (number(0, 2), False, "invalid_type"),
        (number(0, 2), -0.1, "decimal_below_min_value"),
        (number(0, 2), 2.1, "decimal_above_max_value"),
        (UNIT, 0, "decimal_below_min_value"),
        (only(0), False, "unsupported_parameter"),
        (only(False), 0, "unsupported_parameter"),
        (only(False), True, "unsupported_parameter"),
        (only(1), 2, "unsupported_parameter"),
        (only(), "anything", "unsupported_parameter"),
        (only([]), [1], "unsupported_parameter"),
        (labels, [], "invalid_type"),
        (labels, {str(n): "" for n in range(17)}, "object_above_max_properties"),
        (stop_strings, 1, "invalid_type"),
        (stop_strings, list("abcde"), "array_above_max_length"),
    ],
)
def test_a_bad_value_is_refused_by_name(read: Reader, value: Any, code: str) -> None:
    """With the path of the field in error and message."""
    with pytest.raises(InvalidRequest, match="field") as refused:
        read(value, "field")
    assert (refused.value.param, refused.value.code) == ("field", code)


@pytest.mark.parametrize(
    ("read", "value", "param"),
    [
        (labels, {"a": 1}, "field.a"),
        (stop_strings, ["a", ""], "field[1]"),
        (stop_strings, ["a", 1], "field[1]"),
        (group({"a": Field(only(1))}), {"a": 2}, "field.a"),
        (group({"a": Field(only(1))}), {"b": 2}, "field.b"),
    ],
)
def test_a_bad_value_inside_is_refused_by_its_path(read: Reader, value: Any, param: str) -> None:
    """Not by the name of what it is in."""
    with pytest.raises(InvalidRequest) as refused:
        read(value, "field")
    assert refused.value.param == param


def test_null_is_as_good_as_absent() -> None:
    """Also for a field that supports no other value."""
    table = {"a": Field(only()), "b": Field(text, "target")}
    assert read_object(table, {"a": None, "b": None}) == {}


def test_a_required_field_must_be_there() -> None:
    """Null is not enough."""
    table = {"a": Field(text, "a", required=True)}
    for body in ({}, {"a": None}):
        with pytest.raises(InvalidRequest, match="Missing required parameter: 'a'"):
            read_object(table, body)


def test_an_unknown_field_is_refused_by_name() -> None:
    """Even if its value is null: nobody knows what it means."""
    with pytest.raises(InvalidRequest, match="Unknown parameter: 'b'") as refused:
        read_object({"a": Field(text)}, {"b": None})
    assert refused.value.param == "b"


@pytest.mark.parametrize(("value", "shown"), [(True, "true"), ("r", '"r"'), (2, "2")])
def test_a_value_that_is_not_supported_is_shown_as_json(value: Any, shown: str) -> None:
    """As the client wrote it."""
    with pytest.raises(InvalidRequest, match=f"does not support 'store' with {shown}\\."):
        only(False)(value, "store")
