"""Reading a varlink interface, and checking values against it."""

import pytest

from serve_daemon.control import interface
from serve_daemon.control.interface import Interface

TEXT = """
# A comment -> with (signs): that mean nothing.
interface org.example.some-thing

type Kind (one, two)
type Part (size: int, kind: ?Kind)

method Do(
  name: string, # trailing
  flag: bool,
  ratio: ?float,
  parts: ?[]Part,
  labels: ?[string]string,
  anything: ?object,
  inline: ?(x: int)
) -> ()

method Nothing() -> (done: bool)
error Broken (why: string)
"""

GOOD = {"name": "n", "flag": True}


@pytest.fixture(scope="module")
def example() -> Interface:
    return interface.parse(TEXT)


def test_an_interface_is_its_name_its_methods_and_its_errors(example: Interface) -> None:
    """All that stands in the text is found, comments are not in the way."""
    assert example.name == "org.example.some-thing"
    assert list(example.methods) == ["Do", "Nothing"]
    assert list(example.errors) == ["Broken"]
    assert example.description == TEXT


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({}, ""),
        ({"ratio": 1}, ""),
        ({"ratio": 1.5, "parts": [], "labels": {}, "anything": [1, {}]}, ""),
        ({"parts": [{"size": 1, "kind": "two"}, {"size": 2}]}, ""),
        ({"labels": {"a": "b"}}, ""),
        ({"inline": {"x": 3}}, ""),
        ({"ratio": None}, ""),
        ({"name": None}, "name"),
        ({"name": 1}, "name"),
        ({"flag": 1}, "flag"),
        ({"ratio": True}, "ratio"),
        ({"ratio": "1"}, "ratio"),
        ({"parts": {}}, "parts"),
        ({"parts": [{"size": 1}, {"size": True}]}, "parts[1].size"),
        ({"parts": [{"size": 1, "kind": "three"}]}, "parts[0].kind"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": []}, "labels"),
        ({"inline": {"x": 3, "y": 4}}, "inline.y"),
        ({"unknown": 1}, "unknown"),
        ({"unknown": None}, "unknown"),
    ],
)
def test_a_fault_is_named_by_its_path(
    example: Interface, more: dict[str, object], fault: str
) -> None:
    """The first value that does not fit is named; what fits is not."""
    assert example.fault(GOOD | more, example.methods["Do"].takes) == fault


def test_a_value_that_is_absent_is_a_fault_where_it_is_not_optional(example: Interface) -> None:
    """Only what is marked with ? may be left out."""
    assert example.fault({"name": "n"}, example.methods["Do"].takes) == "flag"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "interface",
        "type A (x: int)",
        "interface a.b\nmethod M()",
        "interface a.b\nmethod M() - ()",
        "interface a.b\nerror E (x: int",
        "interface a.b\nthing T ()",
        "interface a.b\ntype T (x: %)",
    ],
)
def test_what_is_no_varlink_is_refused(text: str) -> None:
    """A broken text is found when it is loaded, not when it is called."""
    with pytest.raises(ValueError, match="not varlink"):
        interface.parse(text)


@pytest.mark.parametrize("name", ["io.servedaemon.Control", "org.varlink.service"])
def test_the_shipped_texts_are_complete(name: str) -> None:
    """Every type that is named in a shipped interface is defined in it."""
    shipped = interface.load(name)
    assert shipped.name == name
    for method in shipped.methods.values():
        _require_defined(shipped, method.takes)
        _require_defined(shipped, method.gives)
    for kind in [*shipped.types.values(), *shipped.errors.values()]:
        _require_defined(shipped, kind)


def _require_defined(shipped: Interface, kind: interface.Type) -> None:
    match kind:
        case interface.Name(name):
            assert name in {*shipped.types, "bool", "int", "float", "string", "object"}
        case interface.Optional(of) | interface.List(of) | interface.Dictionary(of):
            _require_defined(shipped, of)
        case interface.Struct(fields):
            for field in fields.values():
                _require_defined(shipped, field)
