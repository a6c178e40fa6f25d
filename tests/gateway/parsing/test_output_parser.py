"""Calls and reasoning in what models write, family by family."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.parsing.answers import (
    CHANNEL,
    SYNTAXES,
    THINK,
    TOOLS,
    WRITTEN,
    Told,
    call,
    parsed,
    parser,
)
from serve_daemon.gateway.common.pieces import CallArguments, CallBegins
from serve_daemon.gateway.parsing.output_parser import PlainText, kept_tokens, parser_of
from serve_daemon.gateway.parsing.tool_writing import ReasoningSyntax

CUTS = st.lists(st.integers(1, 12), min_size=1, max_size=40)
SOUP = [
    *'<>{}[]"\\:, \nabc',
    "<tool_call>",
    "</tool_call>",
    '{"name": "look", "arguments": {',
    '"at": 1}}',
    "<think>",
    "</think>",
    "<function=look>",
    "<parameter=at>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "<|channel|>",
    "<|message|>",
    "<|tool_call>call:look{",
    '<|"|>',
]


def cut(text: str, lengths: list[int]) -> Iterator[str]:
    """The text in parts of these lengths, over and over."""
    place, turn = 0, 0
    while place < len(text):
        length = lengths[turn % len(lengths)]
        yield text[place : place + length]
        place, turn = place + length, turn + 1


def test_every_family_is_among_the_examples() -> None:
    """So that none is added without one."""
    assert {family for family, *_ in WRITTEN} == set(SYNTAXES)


@pytest.mark.parametrize(("family", "reasoning", "text", "pieces"), WRITTEN)
def test_what_a_family_writes(
    family: str, reasoning: ReasoningSyntax | None, text: str, pieces: list[Told]
) -> None:
    """Text, reasoning, and calls with the very text of their arguments."""
    assert parsed(parser(family, reasoning), [text]) == pieces
    assert parsed(parser(family, reasoning), text) == pieces


@given(st.sampled_from(WRITTEN), CUTS)
def test_the_pieces_do_not_depend_on_the_cuts(
    written: tuple[str, ReasoningSyntax | None, str, list[Told]], cuts: list[int]
) -> None:
    """However the text comes."""
    family, reasoning, text, pieces = written
    assert parsed(parser(family, reasoning), cut(text, cuts)) == pieces


@given(st.sampled_from(sorted(SYNTAXES)), st.lists(st.sampled_from(SOUP), max_size=30), CUTS)
def test_any_text_is_read_alike_however_it_is_cut(
    family: str, soup: list[str], cuts: list[int]
) -> None:
    """Also one that no model writes, whose calls break off; nothing is raised."""
    text = "".join(soup)
    make = parser(family, THINK)
    assert parsed(make, cut(text, cuts)) == parsed(make, [text])


@given(st.sampled_from(sorted(SYNTAXES)), st.text(max_size=80), CUTS)
def test_text_without_marks_is_passed_on_whole(family: str, text: str, cuts: list[int]) -> None:
    """Nothing is lost, and nothing added."""
    pieces = parsed(parser(family, THINK), cut(text, cuts))
    assert pieces == ([("text", text)] if text else [])


@given(st.lists(st.sampled_from([*'<>{}" \nab', "<tool_call>", "</tool"]), max_size=30))
def test_what_only_looks_like_a_call_is_text(soup: list[str]) -> None:
    """Every character of it."""
    text = "".join(soup)
    assert parsed(parser("hermes"), text) == ([("text", text)] if text else [])


# ---------------------------------------------------------------- when pieces come


def test_a_call_is_told_while_it_is_written() -> None:
    """Its name as soon as that is whole, and its arguments as they come."""
    reader = parser("hermes")()
    assert reader.feed('<tool_call>\n{"name": "loo') == []
    [begins] = reader.feed('k"')
    assert isinstance(begins, CallBegins)
    assert begins.name == "look"
    assert reader.feed(', "arguments": {"a') == [CallArguments(0, '{"a')]
    assert reader.feed('t": 1') == [CallArguments(0, 't": 1')]


@pytest.mark.parametrize(
    ("text", "at_once"),
    [("a < b", "a < b"), ("a <tool", "a"), ("a <toy", "a <toy"), ("a\n", "a"), ("a\nb", "a\nb")],
)
def test_no_more_is_held_back_than_may_belong_to_a_mark(text: str, at_once: str) -> None:
    """And the white space before it."""
    reader = parser("hermes")()
    assert "".join(getattr(piece, "text", "") for piece in reader.feed(text)) == at_once


def test_arguments_that_break_off_are_told_as_far_as_they_came() -> None:
    """The call is ended with the answer, and none are made up."""
    text = '<tool_call>{"name": "look", "arguments": {"at": "ho'
    assert parsed(parser("hermes"), [text]) == call(0, "look", '{"at": "ho')
    text = '<tool_call>{"name": "look", "argum'
    assert parsed(parser("hermes"), [text]) == [("begins", 0, "look"), ("ends", 0)]


@pytest.mark.parametrize("arguments", ['"{\\"at\\": 1}"', '{"at": 1}'])
def test_arguments_in_a_string_are_taken_out_of_it(arguments: str) -> None:
    """As some models write them; and they may come before the name."""
    text = f'<tool_call>{{"arguments": {arguments}, "name": "look"}}</tool_call>'
    assert parsed(parser("hermes"), [text]) == call(0, "look", '{"at": 1}')


def test_what_follows_a_call_that_is_broken_is_text() -> None:
    """What was told of it stays."""
    text = '<tool_call>{"name": "wait", oh} no'
    assert parsed(parser("hermes"), [text]) == [
        ("begins", 0, "wait"),
        ("ends", 0),
        ("text", "oh} no"),
    ]


def test_arguments_that_are_no_json_are_told_as_they_are() -> None:
    """Where a mark says how far they go."""
    syntax = SYNTAXES["kimi"]
    text = f"{syntax.begin}look:0{syntax.name_end}at: 1{syntax.end}"
    assert parsed(parser("kimi"), [text]) == call(0, "look", "at: 1")


# ---------------------------------------------------------------- reasoning


def test_reasoning_that_the_prompt_has_begun() -> None:
    """It goes on to its end mark, or to the end."""
    open_at_start = ReasoningSyntax("<think>\n", "\n</think>\n\n", is_open_at_start=True)
    make = parser("hermes", open_at_start)
    assert parsed(make, "Hm\n</think>\n\nYes") == [("reasoning", "Hm"), ("text", "Yes")]
    assert parsed(make, "Hm\n") == [("reasoning", "Hm\n")]
    assert make().is_reasoning


def test_it_is_known_when_a_model_reasons() -> None:
    """From the mark that begins it to the one that ends it."""
    reader = parser("hermes", THINK)()
    seen = []
    for text in ("<think>", "Hm", "</think>", "Yes"):
        reader.feed(text)
        seen.append(reader.is_reasoning)
    assert seen == [True, True, False, False]


def test_a_mark_amid_the_answer_is_text_unless_it_is_a_special_token() -> None:
    """Somebody may write about it."""
    text = "Write <think> first."
    assert parsed(parser("hermes", THINK), text) == [("text", text)]
    text = "So.<|channel>thought\nHm<channel|>Yes."
    assert parsed(parser("gemma4", CHANNEL), text) == [
        ("text", "So."),
        ("reasoning", "Hm"),
        ("text", "Yes."),
    ]


# ---------------------------------------------------------------- what is looked for at all


def test_without_tools_and_reasoning_all_is_text() -> None:
    """And the cheapest of parsers does."""
    assert parser_of(SYNTAXES["hermes"], None, []) is PlainText
    text = '<tool_call>{"name": "wait"}</tool_call>'
    assert parsed(parser("hermes", tools=[]), text) == [("text", text)]
    assert parsed(parser("hermes", THINK, tools=[]), text) == [("text", text)]


def test_special_tokens_are_kept_that_are_needed() -> None:
    """No others are decoded."""
    special = ("<|START_RESPONSE|>", "<|START_ACTION|>", "<|END_ACTION|>", "<|other|>")
    syntax = SYNTAXES["cohere"].with_special_tokens(special)
    assert kept_tokens(syntax, None, []) == {"<|START_RESPONSE|>"}
    assert kept_tokens(syntax, CHANNEL, []) == {"<|START_RESPONSE|>", "<|channel>", "<channel|>"}
    assert kept_tokens(syntax, None, TOOLS) == set(special[:3])
    assert kept_tokens(SYNTAXES["hermes"], None, TOOLS) == set()
