"""How the answers to one request are written, and what reads them."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from serve_daemon.api.requests import GenerationRequest
from serve_daemon.api.tools import FunctionTool
from serve_daemon.gateway.parsing.output_parser import (
    OutputParser,
    PlainText,
    kept_tokens,
    parser_of,
)
from serve_daemon.gateway.parsing.tool_syntax import (
    ReasoningSyntax,
    ToolSyntax,
    reasoning_of,
    syntax_of,
    thinks,
)
from serve_daemon.gateway.text.chat_template import Wishes
from serve_daemon.gateway.text.tokenizer import TextModel

TAIL_TOKENS = 32  # of the prompt, in which it is seen whether it ends inside reasoning


class Writing(Struct, frozen=True):
    """Of the answers to one request."""

    syntax: ToolSyntax
    reasoning: ReasoningSyntax | None = None
    parser: Callable[[], OutputParser] = PlainText
    hidden: frozenset[int] | None = None  # special tokens without a text; None: all have none
    stop_tokens: Sequence[int] = ()  # that end an answer, beside those that the model says


def writing_of(request: GenerationRequest, text_model: TextModel, prompt: Sequence[int]) -> Writing:
    """How this model writes its answers to this prompt."""
    syntax = syntax_of(text_model)
    if request.prompt is not None:
        return Writing(syntax)  # no conversation: whatever is written is text
    tools = offered(request)
    reasoning = reasoning_after(request, text_model, prompt)
    kept = kept_tokens(syntax, reasoning, tools)
    stops = set(syntax.stops if tools else ())
    special = list(zip(text_model.special_ids, text_model.special_tokens, strict=True))
    return Writing(
        syntax,
        reasoning,
        parser_of(syntax, reasoning, tools),
        frozenset(number for number, token in special if token not in kept) if kept else None,
        [number for number, token in special if token in stops],
    )


def offered(request: GenerationRequest) -> Sequence[FunctionTool]:
    """The tools that the model is told of."""
    return () if request.tool_choice.mode == "none" else request.tools


def wishes_of(request: GenerationRequest, text_model: TextModel) -> Wishes:
    """What the rendering of its messages is told."""
    return Wishes(
        tools=offered(request),
        knows_tools=syntax_of(text_model).knows_tools,
        thinks=thinks(text_model),
        effort=request.reasoning_effort,
        effort_field=request.effort_field,
        thinking=request.thinking,
        thinking_budget=request.thinking_budget,
        variables=request.template_variables,
        adds_prompt=request.add_generation_prompt,
        continues=request.continue_final_message,
    )


def reasoning_after(
    request: GenerationRequest, text_model: TextModel, prompt: Sequence[int]
) -> ReasoningSyntax | None:
    """Where the answer to this prompt may reason; one that goes on from a message does not."""
    tail = text_model.tokenizer.decode(prompt[-TAIL_TOKENS:], skip_special_tokens=False)
    reasoning = reasoning_of(text_model, tail)
    if reasoning is None or reasoning.is_open_at_start:
        return reasoning
    return None if request.continue_final_message else reasoning
