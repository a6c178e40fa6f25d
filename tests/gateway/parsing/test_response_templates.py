"""Response templates, and what Transformers' own parser makes of answers by them."""

import ast
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_parsing import parse_response

from gateway.parsing.answers import SYNTAXES, TOOLS, WRITTEN, Told, call, parsed
from gateway.parsing.test_tool_syntax import text_model
from serve_daemon.gateway.parsing.output_parser import parser_of
from serve_daemon.gateway.parsing.response_templates import reasoning_in, syntax_in
from serve_daemon.gateway.parsing.tool_syntax import syntax_of
from serve_daemon.gateway.text.conversation import tools_as_seen

FUNCTION = {"name": "{name}", "arguments": "{content}"}


def templates_of_transformers() -> dict[str, Any]:
    """Those that it has for models whose tokenizers bring none, by the first model of each."""
    package = importlib.util.find_spec("transformers")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).with_name("cli") / "serving" / "utils.py"
    for statement in ast.parse(source.read_text()).body:
        if isinstance(statement, ast.Assign) and "FALLBACKS" in ast.unparse(statement.targets[0]):
            table = ast.literal_eval(statement.value)
            return {models[0]: template for models, template in table.items()}
    return {}


TEMPLATES = templates_of_transformers()
FAMILIES = {"qwen2": "hermes", "qwen3_5": "qwen-tags", "gemma4": "gemma4"}


def field(**told: Any) -> str:
    return json.dumps({"fields": {"tool_calls": told}})


@pytest.mark.parametrize("model", TEMPLATES)
def test_those_of_transformers_are_of_families_that_are_known(model: str) -> None:
    """By their marks alone."""
    found = syntax_of(text_model("{{ tools }}", TEMPLATES[model]))
    assert found.family == FAMILIES[model]


@pytest.mark.parametrize("model", TEMPLATES)
def test_what_they_say_is_what_the_table_says(model: str) -> None:
    """But for white space, which patterns leave open."""
    told, known = syntax_in(json.dumps(TEMPLATES[model])), SYNTAXES[FAMILIES[model]]
    assert told is not None
    assert told.form == known.form
    for name in ("begin", "end", "name_end", "quote"):
        assert getattr(told, name).split() == getattr(known, name).split()
    assert reasoning_in(json.dumps(TEMPLATES[model])) is not None


@pytest.mark.parametrize(
    ("model", "text", "pieces"),
    [
        (model, text, pieces)
        for model in TEMPLATES
        for family, _, text, pieces in WRITTEN
        if family == FAMILIES[model]
    ],
)
def test_answers_are_read_as_transformers_reads_them(
    model: str, text: str, pieces: list[Told]
) -> None:
    """The same text, reasoning and calls."""
    message = parse_response(text, TEMPLATES[model], prefix="", tools=tools_as_seen(TOOLS))
    assert message.get("content", "").strip() == _all(pieces, "text")
    assert message.get("reasoning_content", "") == _all(pieces, "reasoning")
    theirs = [each["function"] for each in message.get("tool_calls", [])]
    names = [piece[2] for piece in pieces if piece[0] == "begins"]
    arguments = [json.loads(piece[2]) for piece in pieces if piece[0] == "arguments"]
    assert [each["name"] for each in theirs] == names
    for one, other in zip(theirs, arguments, strict=True):
        assert one["arguments"] == {key: _stripped(value) for key, value in other.items()}


def _all(pieces: list[Told], kind: str) -> str:
    return "".join(piece[-1] for piece in pieces if piece[0] == kind)


def _stripped(value: Any) -> Any:
    """Transformers strips strings in tags, with which code would lose its indentation."""
    return value.strip() if isinstance(value, str) else value


# ---------------------------------------------------------------- of families that nobody knows

UNKNOWN: list[tuple[str, str, list[Told]]] = [
    (
        field(open="<do>", close="</do>", content="json", transform={"function": "{content}"}),
        'Yes.<do>{"name": "look", "arguments": {"at": "a"}}</do>',
        [("text", "Yes."), *call(0, "look", '{"at": "a"}')],
    ),
    (
        field(
            open="<do>",
            close="</do>",
            content="json",
            transform={"function": {"name": "{tool}", "arguments": "{with}"}},
            transform_each=True,
        ),
        '<do>[{"tool": "look", "with": {"at": "a"}}, {"tool": "wait", "with": {}}]</do>',
        [*call(0, "look", '{"at": "a"}'), *call(1, "wait", "{}")],
    ),
    (
        field(
            open_pattern=r"\s*<do>\s*(?P<name>\w+)\|",
            close_pattern=r"<\/do>",
            content="json",
            transform={"function": FUNCTION},
        ),
        '<do>\nlook|{"at": "a"}</do>',
        call(0, "look", '{"at": "a"}'),
    ),
    (
        field(
            open_pattern=r"<do (?P<name>\w+)>",
            close="</do>",
            content="xml-inline",
            content_args={"tag_pattern": r"<arg (?P<key>\w+)>(?P<value>.*?)</arg>"},
            transform={"function": FUNCTION},
        ),
        "<do look><arg at>a</arg><arg times>2</arg></do>",
        call(0, "look", '{"at": "a", "times": 2}'),
    ),
    (
        field(
            open_pattern=r"<do>(?P<name>\w+)",
            close="</do>",
            content="json",
            content_args={"unquoted_keys": True, "string_delims": [["~", "~"]]},
            transform={"function": FUNCTION},
        ),
        "<do>look{at:~a~}</do>",
        call(0, "look", '{"at":"a"}'),
    ),
]


@pytest.mark.parametrize(("template", "text", "pieces"), UNKNOWN)
def test_a_family_that_is_not_known_is_read_by_what_its_template_says(
    template: str, text: str, pieces: list[Told]
) -> None:
    """And what it says can be told to a grammar."""
    syntax = syntax_of(text_model("{{ tools }}", json.loads(template)))
    assert syntax.family == "response template"
    assert parsed(parser_of(syntax, None, TOOLS), text) == pieces


@pytest.mark.parametrize(
    "template",
    [
        "",
        field(open="<do>", close="</do>", content="kv-lines"),
        field(open="<do>", close="</do>", content="json"),
        field(open_pattern="<do>|<go>", close="</do>", content="json"),
        field(open="<do>", close_pattern="</do>|$", content="json"),
    ],
)
def test_patterns_that_stand_for_more_than_a_text_tell_nothing(template: str) -> None:
    """The chat template is looked at then."""
    assert syntax_in(template) is None


def test_marks_of_reasoning_come_from_the_template_too() -> None:
    """Under whichever of the names that Transformers knows."""
    told = {"fields": {"thinking": {"open": "<hm>", "close": "</hm>"}}}
    assert reasoning_in(json.dumps(told)) == ("<hm>", "</hm>")
    assert reasoning_in(field()) is None
