"""How a model writes calls and reasoning, found from its chat template."""

from typing import Any

import msgspec
import pytest

import source
from fakes.artefacts import CHAT_TEMPLATE, make_tokenizer
from gateway.parsing.answers import SYNTAXES
from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.api.tools import FunctionTool, ToolChoice
from serve_daemon.gateway.parsing.output_parser import PlainText
from serve_daemon.gateway.parsing.tool_families import FAMILIES
from serve_daemon.gateway.parsing.tool_syntax import reasoning_of, syntax_of, thinks
from serve_daemon.gateway.parsing.writing import writing_of
from serve_daemon.gateway.text.token_bytes import TokenBytes
from serve_daemon.gateway.text.tokenizer import Defaults, TextModel

TOKENIZER = make_tokenizer()
SPECIAL = {number: token.content for number, token in TOKENIZER.get_added_tokens_decoder().items()}
QWEN = "{{ tools }}<tool_call>{{ x }}</tool_call>{{ content.split('</think>') }}"
TOOLS = [FunctionTool("look")]


def text_model(template: str, response_template: Any = None) -> TextModel:
    told = msgspec.json.encode(response_template).decode() if response_template else ""
    return TextModel(
        tokenizer=TOKENIZER,
        token_bytes=TokenBytes(TOKENIZER, TOKENIZER.to_str().encode()),
        fingerprint="",
        chat_template=template,
        variables={},
        defaults=Defaults(),
        response_template=told,
        special_tokens=tuple(SPECIAL.values()),
        special_ids=tuple(SPECIAL),
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.models)
def test_a_family_is_known_by_its_marks(family: Any) -> None:
    """None of them is taken for another one that stands before it in the table."""
    template = "{{ tools }}" + " ".join(family.marks)
    assert syntax_of(text_model(template)).family == family.syntax.family


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, "<tool_call></tool_call>", "{{ tools }}"])
def test_a_template_without_tools_or_marks_gets_the_generic_way(template: str) -> None:
    """The tools are told in words then."""
    syntax = syntax_of(text_model(template))
    assert syntax.family == "generic"
    assert not syntax.knows_tools
    assert syntax.first_mark == "<tool_call>"


def test_a_response_template_tells_the_family_before_the_chat_template() -> None:
    """Its marks stand in patterns."""
    fields = {
        "tool_calls": {
            "open_pattern": r"<\|tool_call>call:(?P<name>\w+)",
            "close": "<tool_call|>",
        }
    }
    assert syntax_of(text_model(QWEN, {"fields": fields})).family == "gemma4"


def test_special_tokens_in_the_marks_are_known() -> None:
    """A grammar must name them as tokens."""
    syntax = SYNTAXES["mistral"].with_special_tokens(("<s>", "[TOOL_CALLS]", "[ARGS]"))
    assert syntax.special_tokens == ("[TOOL_CALLS]", "[ARGS]")
    assert syntax.begin_is_special_token
    assert not SYNTAXES["hermes"].begin_is_special_token


@pytest.mark.parametrize(
    ("prompt", "is_open"),
    [
        ("<|im_start|>assistant\n", False),
        ("<|im_start|>assistant\n<think>\n", True),
        ("<|im_start|>assistant\n<think>", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", None),
    ],
)
def test_whether_a_model_thinks_is_seen_at_the_end_of_the_prompt(
    prompt: str, is_open: bool | None
) -> None:
    """None where the template has closed the reasoning already."""
    reasoning = reasoning_of(text_model(QWEN), prompt)
    assert (reasoning and reasoning.is_open_at_start) == is_open


def test_the_end_of_every_prompt_of_gpt_oss_closes_no_reasoning() -> None:
    """Although its reasoning ends alike: with the beginning of the next message."""
    model = text_model("{{ tools }}<|channel|>analysis<|message|>")
    reasoning = reasoning_of(model, "<|start|>user<|message|>hi<|end|><|start|>assistant")
    assert reasoning is not None
    assert not reasoning.is_open_at_start


def test_a_model_that_does_not_think() -> None:
    """Its template has no mark of it."""
    assert reasoning_of(text_model(CHAT_TEMPLATE), "<|assistant|>") is None
    assert not thinks(text_model(CHAT_TEMPLATE))
    assert thinks(text_model(QWEN))


# ---------------------------------------------------------------- of one request


def request(**fields: Any) -> GenerationRequest:
    return GenerationRequest(model="m", messages=[ChatMessage("user", "hi")], **fields)


def test_tools_are_looked_for_only_where_they_are_offered() -> None:
    """Else the fast path is taken."""
    model = text_model(CHAT_TEMPLATE)
    prompt = TOKENIZER.encode("<|user|>hi<|assistant|>").ids
    assert writing_of(request(), model, prompt).parser is PlainText
    none = request(tools=TOOLS, tool_choice=ToolChoice("none"))
    assert writing_of(none, model, prompt).parser is PlainText
    assert writing_of(request(tools=TOOLS), model, prompt).parser is not PlainText
    raw = GenerationRequest(model="m", prompt="hi", tools=TOOLS)
    assert writing_of(raw, model, prompt).parser is PlainText


def test_an_answer_that_goes_on_does_not_begin_to_reason() -> None:
    """Its beginning was written already."""
    prompt = TOKENIZER.encode("<|user|>hi<|assistant|>Well").ids
    model = text_model(QWEN)
    assert writing_of(request(), model, prompt).reasoning is not None
    assert writing_of(request(continue_final_message=True), model, prompt).reasoning is None


def test_special_tokens_that_the_syntax_needs_are_not_hidden() -> None:
    """And those that end a call stop the answer."""
    template = '{{ tools }}<|start_header_id|>"parameters": <|end|>'
    model = text_model(template)
    model = msgspec.structs.replace(
        model, special_tokens=("<|python_tag|>", "<|eom_id|>", "<s>"), special_ids=(7, 8, 9)
    )
    writing = writing_of(request(tools=TOOLS), model, [1, 2])
    assert writing.hidden == frozenset((8, 9))
    assert writing.stop_tokens == [8]
    assert writing_of(request(), model, [1, 2]).hidden is None


def test_the_manual_names_every_family() -> None:
    """In the words of the table."""
    page = (source.ROOT / "man" / "serve-daemon-api.7.scd").read_text("utf-8")
    assert [each.models for each in FAMILIES if f"- {each.models}\n" not in page] == []
