"""What grammars let models write is what parsers read, in each family."""

import json

import pytest

from gateway.grammars.trying import TOKENIZER, asking, begins, takes
from gateway.parsing.answers import SYNTAXES, THINK, call, parsed
from serve_daemon.api.tools import FunctionTool, ToolChoice
from serve_daemon.gateway.grammars.grammars import grammar_of
from serve_daemon.gateway.grammars.lark import special_tokens
from serve_daemon.gateway.parsing.output_parser import parser_of
from serve_daemon.gateway.parsing.tool_writing import ToolSyntax

LOOK = FunctionTool(
    "look",
    parameters={
        "type": "object",
        "properties": {"at": {"type": "string"}, "times": {"type": "integer"}},
        "required": ["at", "times"],
        "additionalProperties": False,
    },
)
ARGUMENTS = {"at": "the sky", "times": 3}
REQUIRED = ToolChoice("required")
SPECIAL = special_tokens(TOKENIZER)


def written(syntax: ToolSyntax, count: int) -> str:
    """So many calls, with the very marks of the family."""
    if syntax.form == "list":
        calls = ", ".join([_object(syntax)] * count)
        return f"{syntax.begin}[{calls}]{syntax.end}"
    end = "" if syntax.end in syntax.stops else syntax.end  # a token that is not told
    one = f"{syntax.begin}{_inner(syntax)}{end}"
    return f"{syntax.section_begin}{syntax.between.join([one] * count)}{syntax.section_end}"


def _inner(syntax: ToolSyntax) -> str:
    head = f"look{syntax.name_end}"
    match syntax.form:
        case "named":
            return head + json.dumps(ARGUMENTS)
        case "lax":
            return f"{head}{{at:{syntax.quote}the sky{syntax.quote},times:3}}"
        case "tags" if tag := syntax.tag:
            pairs = ARGUMENTS.items()
            return head + "".join(f"{tag.begin}{k}{tag.name_end}{v}{tag.end}" for k, v in pairs)
    return _object(syntax)


def _object(syntax: ToolSyntax) -> str:
    return json.dumps({syntax.name_key: "look", syntax.arguments_key: ARGUMENTS})


@pytest.mark.parametrize("family", SYNTAXES)
@pytest.mark.parametrize("mode", ["required", "auto"])
def test_calls_that_a_grammar_takes_are_read(family: str, mode: str) -> None:
    """One, and two where several are allowed: not of a model that never learned where calls end."""
    syntax = SYNTAXES[family]
    is_single = syntax.end in syntax.stops or not syntax.knows_tools
    for count in (1,) if is_single else (1, 2):
        text = written(syntax, count)
        choice = REQUIRED if mode == "required" else ToolChoice()
        assert takes(grammar_of(asking(tools=[LOOK], choice=choice), syntax, None, SPECIAL), text)
        pieces = parsed(parser_of(syntax, None, [LOOK]), text)
        arguments = [json.loads(piece[2]) for piece in pieces if piece[0] == "arguments"]
        assert arguments == [ARGUMENTS] * count
        assert [piece for piece in pieces if piece[0] == "text"] == []


@pytest.mark.parametrize("family", SYNTAXES)
def test_a_required_call_stands_alone(family: str) -> None:
    """No text before it, and no second one where one alone is allowed."""
    syntax = SYNTAXES[family]
    grammar = grammar_of(
        asking(tools=[LOOK], choice=REQUIRED, parallel=False), syntax, None, SPECIAL
    )
    assert not begins(grammar, "Well")
    assert takes(grammar, written(syntax, 1))
    assert not takes(grammar, written(syntax, 2))


def test_reasoning_may_come_before_a_required_call() -> None:
    """As the model would begin it."""
    syntax = SYNTAXES["hermes"]
    grammar = grammar_of(asking(tools=[LOOK], choice=REQUIRED), syntax, THINK, SPECIAL)
    text = f"<think>\nHm\n</think>\n\n{written(syntax, 1)}"
    assert takes(grammar, text)
    pieces = parsed(parser_of(syntax, THINK, [LOOK]), text)
    assert pieces == [("reasoning", "Hm"), *call(0, "look", json.dumps(ARGUMENTS))]


def test_the_other_marks_of_calls_begin_them_too() -> None:
    """At the beginning of the answer, where a family writes calls without a mark."""
    syntax = SYNTAXES["llama"]
    text = f"<|python_tag|>{written(syntax, 1)}"
    grammar = grammar_of(asking(tools=[LOOK]), syntax, None, SPECIAL)
    assert takes(grammar, text)
    assert takes(grammar, "Hello.")
    assert not begins(grammar, '{"name": "wait"')
    assert parsed(parser_of(syntax, None, [LOOK]), text) == call(0, "look", json.dumps(ARGUMENTS))
