"""The grammar that a request makes: which answers it takes, and which it doesn't."""

from typing import Any

import pytest

from gateway.grammars.trying import TOKENIZER, asking, begins, schema, takes
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.output_format import TEXT, OutputFormat
from serve_daemon.api.tools import FunctionTool, ToolChoice
from serve_daemon.gateway.grammars.grammars import grammar_of
from serve_daemon.gateway.grammars.lark import special_tokens
from serve_daemon.gateway.parsing.tool_families import GENERIC
from serve_daemon.gateway.parsing.tool_syntax import ReasoningSyntax

GENERIC_CALLS = GENERIC.syntax
PERSON = schema({"name": {"type": "string"}, "age": {"type": "integer"}})
GBNF = 'root ::= "yes" | no\nno ::= "no" "!"*'
LARK = 'start: "a" B\nB: /[0-9]{2}/'


def form(kind: Any, **fields: Any) -> OutputFormat:
    return OutputFormat(kind, field="f", **fields)


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        (form("json_object"), ["{}", '{"a": [1, {"b":null}]}'], ["[]", "1", "", '{"a":1} ']),
        (
            form("json_schema", schema=PERSON),
            ['{"name": "A", "age": 3}', '{"name":"","age":0}', '{"name":"A","age":1,"x":true}'],
            ['{"age":3,"name":"A"}', '{"name":"A"}', '{"name":"A","age":"3"}', '{\n"name":"A"'],
        ),
        (
            form("json_schema", schema=PERSON, is_closed=True),
            ['{"name":"A","age":1}'],
            ['{"name":"A","age":1,"x":true}'],
        ),
        (form("json_schema", schema=PERSON, whitespace=r"\n?"), ['{\n"name":\n"A","age":1\n}'], []),
        (form("json_schema", schema=True), ["1", '"x"', "[true]", "{}"], ["x", ""]),
        (form("json_schema", schema={"enum": ["a", 1]}), ['"a"', "1"], ['"b"', "2", "a"]),
        (form("regex", pattern=r"\d{3}/[a-c]+"), ["123/abc"], ["12/a", "123/", "x123/a"]),
        (form("regex", pattern=r"^\w+\$$"), ["ab$"], ["ab", "$"]),
        (
            form("choice", choices=["yes", 'no "\n/', "é"]),
            ["yes", 'no "\n/', "é"],
            ["", "y", "ye s"],
        ),
        (form("grammar", grammar=GBNF), ["yes", "no", "no!!"], ["maybe", "yes!"]),
        (form("grammar", grammar=LARK), ["a12"], ["a1", "b12"]),
    ],
)
def test_the_form_of_the_text(wanted: OutputFormat, good: list[str], bad: list[str]) -> None:
    """All of a good answer, and nothing else."""
    grammar = grammar_of(asking(wanted), GENERIC_CALLS, None)
    assert [text for text in good if not takes(grammar, text)] == []
    assert [text for text in bad if takes(grammar, text)] == []


def test_whitespace_ends() -> None:
    """A small model could write it for ever."""
    grammar = grammar_of(asking(form("json_object")), GENERIC_CALLS, None)
    assert begins(grammar, '{"a": 1, "b"')
    assert not begins(grammar, '{"a":  1')
    assert not begins(grammar, "{ ")
    assert not begins(grammar, " {")


def test_any_text_needs_no_grammar() -> None:
    """Nor do tools that are not to be called."""
    tool = FunctionTool("f")
    assert grammar_of(asking(), GENERIC_CALLS, None) == ""
    assert grammar_of(asking(TEXT, [tool], ToolChoice("none")), GENERIC_CALLS, None) == ""


THINKING = [
    ReasoningSyntax("<think>", "</think>"),
    ReasoningSyntax("<begin>", "<end>"),  # which are no special tokens
]


@pytest.mark.parametrize("reasoning", THINKING)
def test_reasoning_comes_before_the_form(reasoning: ReasoningSyntax) -> None:
    """It is any text up to its end."""
    special = special_tokens(TOKENIZER)
    grammar = grammar_of(asking(form("choice", choices=["yes"])), GENERIC_CALLS, reasoning, special)
    thoughts = f"{reasoning.begin}no < or yes{reasoning.end}"
    assert takes(grammar, "yes")
    assert takes(grammar, f"{thoughts}yes")
    assert takes(grammar, f"{thoughts}\n\nyes")
    assert not takes(grammar, f"{thoughts}no")
    assert not takes(grammar, thoughts)
    opened = ReasoningSyntax(reasoning.begin, reasoning.end, is_open_at_start=True)
    grammar = grammar_of(asking(form("choice", choices=["yes"])), GENERIC_CALLS, opened, special)
    assert takes(grammar, f"well{reasoning.end}\nyes")
    assert not takes(grammar, "yes")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (form("json_schema", schema={"type": "nonsense"}), "nonsense"),
        (form("json_schema", schema={"type": "object", "unevaluatedItems": 1}), "unevaluatedItems"),
        (form("json_schema", schema={"$ref": "#/nowhere"}), "nowhere"),
        (form("json_schema", schema=False), "[Uu]nsat"),
        (form("regex", pattern="(a"), "unclosed"),
        (form("regex", pattern="(?=a)b"), "look-ahead"),
        (form("grammar", grammar="start: nothing"), "nothing"),
        (form("grammar", grammar='root ::= "a" (('), "GBNF"),
        (form("json_schema", schema={"description": "x" * 2_000_000}), "characters"),
    ],
)
def test_what_no_grammar_is_made_of_is_refused(wanted: OutputFormat, reason: str) -> None:
    """By its field, with the reason."""
    with pytest.raises(InvalidRequest, match=reason) as refused:
        grammar_of(asking(wanted), GENERIC_CALLS, None)
    assert refused.value.param == "f"
    assert len(refused.value.message) < 1000


def test_of_several_schemas_the_bad_one_is_named() -> None:
    """Tools are numbered as the request has them."""
    good, bad = FunctionTool("good", parameters=PERSON), FunctionTool("bad", parameters={"type": 5})
    with pytest.raises(InvalidRequest) as refused:
        grammar_of(asking(TEXT, [good, bad]), GENERIC_CALLS, None)
    assert refused.value.param == "tools[1]"
