"""Calls of tools as grammars take them, in each form in which models write them."""

from collections.abc import Mapping

import pytest

from gateway.grammars.trying import TOKENIZER, asking, begins, schema, takes
from serve_daemon.api.output_format import OutputFormat
from serve_daemon.api.tools import FunctionTool, ToolChoice
from serve_daemon.gateway.grammars.grammars import grammar_of
from serve_daemon.gateway.grammars.lark import special_tokens
from serve_daemon.gateway.parsing.tool_families import GENERIC, HERMES
from serve_daemon.gateway.parsing.tool_writing import Tag, ToolSyntax

ADD = FunctionTool("add", parameters=schema({"x": {"type": "integer"}}))
SAY = FunctionTool("say", parameters=schema({"text": {"type": "string"}}), strict=True)
NOW = FunctionTool("now")
TOOLS = [ADD, SAY, NOW]
REQUIRED = ToolChoice("required")
SPECIAL = special_tokens(TOKENIZER)
NONE: Mapping[str, int] = {}

CALL = '<tool_call>\n{"name": "add", "arguments": {"x": 1}}\n</tool_call>'
OTHER = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
TOKENS = [NONE, SPECIAL]  # whether <tool_call> is text or a token


def test_added_tokens_in_brackets_are_special() -> None:
    """As llguidance has it, whatever the tokenizer says."""
    assert set(SPECIAL) == {
        "<|end|>",
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "[C]",
        "[E]",
    }


def spelled(text: str, special: Mapping[str, int]) -> str:
    """With marks that are no tokens where `special` has none."""
    return text if special else text.replace("tool_call", "toolcall")


def syntax_for(special: Mapping[str, int]) -> ToolSyntax:
    if special:
        return HERMES
    return ToolSyntax(family="text", begin="<toolcall>\n", end="\n</toolcall>")


@pytest.mark.parametrize("special", TOKENS)
def test_a_call_that_is_begun_is_one_to_the_end(special: Mapping[str, int]) -> None:
    """And else there may be any text."""
    grammar = grammar_of(asking(tools=TOOLS), syntax_for(special), None, special)
    good = ["", "Hello, {<tool\n", CALL, f"Well: {CALL}", f"{CALL}\n{OTHER}"]
    bad = [
        '<tool_call>\n{"name": "sub", "arguments": {"x": 1}}\n</tool_call>',
        '<tool_call>\n{"name": "add", "arguments": {"x": "1"}}\n</tool_call>',
        '<tool_call>\n{"name": "add", "arguments": {"x": 1, "y": 2}}\n</tool_call>',
        "text <tool_call>",
        f"{CALL} and so on",
    ]
    assert [text for text in good if not takes(grammar, spelled(text, special))] == []
    assert [text for text in bad if takes(grammar, spelled(text, special))] == []
    assert not begins(grammar, spelled("I do <tool_call>no", special))


@pytest.mark.parametrize("special", TOKENS)
def test_calls_that_are_required_are_all_there_is(special: Mapping[str, int]) -> None:
    """One, or where the client takes them several; of the tools that it names."""
    syntax = syntax_for(special)
    grammar = grammar_of(asking(tools=TOOLS, choice=REQUIRED), syntax, None, special)
    assert takes(grammar, spelled(f"{CALL}\n{CALL}\n{OTHER}", special))
    assert not takes(grammar, "")
    assert not begins(grammar, "I")
    alone = asking(tools=TOOLS, choice=REQUIRED, parallel=False)
    grammar = grammar_of(alone, syntax, None, special)
    assert takes(grammar, spelled(CALL, special))
    assert not begins(grammar, spelled(f"{CALL}\n<", special))
    named = asking(tools=TOOLS, choice=ToolChoice("required", ["now"]))
    grammar = grammar_of(named, syntax, None, special)
    assert takes(grammar, spelled(OTHER, special))
    assert not takes(grammar, spelled(CALL, special))


def test_beside_tools_an_answer_keeps_its_form() -> None:
    """A call, or the form; nothing else."""
    form = OutputFormat("json_schema", schema=schema({"x": {"type": "null"}}))
    grammar = grammar_of(asking(form, TOOLS), GENERIC.syntax, None, SPECIAL)
    assert takes(grammar, '{"x":null}')
    assert takes(grammar, CALL)
    assert not begins(grammar, "text")


def test_arguments_of_a_tool_without_parameters_are_none() -> None:
    """An empty object."""
    grammar = grammar_of(asking(tools=[NOW], choice=REQUIRED), HERMES, None, SPECIAL)
    assert not begins(grammar, '<tool_call>\n{"name": "now", "arguments": {"')


def test_a_tool_may_say_what_llguidance_does_not_know() -> None:
    """Unless it is strict."""
    odd = schema({"x": {"type": "string", "format": "odd"}})
    lenient = FunctionTool("f", parameters=odd)
    grammar = grammar_of(asking(tools=[lenient], choice=REQUIRED), HERMES, None, SPECIAL)
    assert takes(grammar, '<tool_call>\n{"name": "f", "arguments": {"x": "y"}}\n</tool_call>')


LIST = ToolSyntax(family="list", form="list", begin="[C]", end="")
NAMED = ToolSyntax(family="named", form="named", begin="[C]", name_end="=", end="[E]")
STOPS = ToolSyntax(family="stops", form="named", begin="[C]", end="[E]", stops=("[E]",))
BARE = ToolSyntax(family="bare", begin="", end="", arguments_key="parameters", between="; ")
TAGS = ToolSyntax(
    family="tags",
    form="tags",
    begin="<tool_call>\n<function=",
    name_end=">\n",
    tag=Tag("<p=", ">\n", "\n</p>\n"),
    end="</function>\n</tool_call>",
)
LAX = ToolSyntax(
    family="lax", form="lax", begin="<call>", name_end="", end="</call>", quote="<q>", between=""
)
SECTION = ToolSyntax(
    family="section",
    form="named",
    section_begin="<calls>",
    section_end="</calls>",
    begin="<call>",
    name_end=":",
    end="</call>",
    between="",
)


@pytest.mark.parametrize(
    ("syntax", "good", "bad"),
    [
        (
            LIST,
            ['[C][{"name": "add", "arguments": {"x": 1}}, {"name": "now", "arguments": {}}]'],
            ["[C][]", '[C]{"name": "now", "arguments": {}}'],
        ),
        (NAMED, ['[C]add={"x": 1}[E]', "[C]now={}[E]\n[C]now={}[E]"], ["[C]add={}[E]"]),
        (STOPS, ['[C]add{"x": 1}', "[C]now{}"], ["[C]now{}\n[C]now{}"]),  # an engine stops there
        (BARE, ['{"name": "add", "parameters": {"x":1}}'], ['{"name": "other"', '{"a":1}']),
        (
            TAGS,
            [
                "<tool_call>\n<function=add>\n<p=x>\n1\n</p>\n</function>\n</tool_call>",
                "<tool_call>\n<function=say>\n<p=text>\na <b>\n</p>\n</function>\n</tool_call>",
                "<tool_call>\n<function=now>\n</function>\n</tool_call>",
            ],
            [
                "<tool_call>\n<function=add>\n</function>\n</tool_call>",
                "<tool_call>\n<function=add>\n<p=x>\none\n</p>\n</function>\n</tool_call>",
            ],
        ),
        (
            LAX,
            ["<call>add{x:-1}</call>", "<call>say{text:<q>a,b<q>}</call>", "<call>now{}</call>"],
            ["<call>add{}</call>", "<call>say{text:a}</call>", "<call>add{x:1,y:2}</call>"],
        ),
        (
            SECTION,
            ['<calls><call>add:{"x":1}</call><call>now:{}</call></calls>'],
            ['<call>add:{"x":1}</call>', "<calls></calls>"],
        ),
    ],
    ids=lambda value: value.family if isinstance(value, ToolSyntax) else "",
)
def test_each_form_has_its_grammar(syntax: ToolSyntax, good: list[str], bad: list[str]) -> None:
    """Required, and after any text."""
    required = grammar_of(asking(tools=TOOLS, choice=REQUIRED), syntax, None, SPECIAL)
    free = grammar_of(asking(tools=TOOLS), syntax, None, SPECIAL)
    assert [text for text in good if not takes(required, text)] == []
    assert [text for text in good if not takes(free, text)] == []
    assert [text for text in bad if takes(required, text)] == []
    assert takes(free, "Any text")
