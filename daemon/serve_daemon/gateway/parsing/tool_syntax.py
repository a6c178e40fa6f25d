"""How a model writes calls of tools, and what it thinks: found from what came with it."""

import functools
import re

from serve_daemon.gateway.parsing.response_templates import reasoning_in, syntax_in
from serve_daemon.gateway.parsing.tool_families import FAMILIES, GENERIC, REASONING
from serve_daemon.gateway.parsing.tool_writing import (
    Marked,
    ReasoningSyntax,
    Tag,
    ToolSyntax,
    special_tokens_in,
)
from serve_daemon.gateway.text.tokenizer import TextModel

__all__ = ["ReasoningSyntax", "Tag", "ToolSyntax", "reasoning_of", "syntax_of", "thinks"]


TOOLS = re.compile(r"\btools\b")  # the variable that tells a template of them


def syntax_of(text_model: TextModel) -> ToolSyntax:
    """How this model writes calls; the generic way where its template knows no tools."""
    return _syntax(
        text_model.chat_template, text_model.response_template, text_model.special_tokens
    )


@functools.lru_cache(maxsize=64)
def _syntax(template: str, response_template: str, special: tuple[str, ...]) -> ToolSyntax:
    syntax = (
        _family_of(_without_escapes(response_template))
        or syntax_in(response_template)
        or _family_of(template)
    )
    if syntax is None or not TOOLS.search(template):
        syntax = GENERIC.syntax
    return syntax.with_special_tokens(special)


def _family_of(text: str) -> ToolSyntax | None:
    return next((one.syntax for one in FAMILIES if all(mark in text for mark in one.marks)), None)


def _without_escapes(response_template: str) -> str:
    """Marks stand in patterns there."""
    return response_template.replace("\\", "")


def reasoning_of(text_model: TextModel, rendered_prompt: str) -> ReasoningSyntax | None:
    """Where this model may think in its answer to this prompt; None where it does not."""
    prompt = rendered_prompt.rstrip()
    for marked in _marked(text_model):
        if prompt.endswith(marked.end.strip()) and not marked.ends_prompts:
            return None  # closed by the template already: the model is not to think
        is_open = prompt.endswith(marked.begin.rstrip())
        if is_open or _has(text_model, marked):
            marks = (marked.begin, marked.end)
            special = special_tokens_in(marks, text_model.special_tokens)
            return ReasoningSyntax(*marks, is_open, special)
    return None


def thinks(text_model: TextModel) -> bool:
    """Whether the model may think at all."""
    return any(_has(text_model, marked) for marked in _marked(text_model))


def _marked(text_model: TextModel) -> tuple[Marked, ...]:
    declared = reasoning_in(text_model.response_template)
    return REASONING if declared is None else (*REASONING, Marked(*declared))


def _has(text_model: TextModel, marked: Marked) -> bool:
    """Whether the marks are known to whoever made the templates."""
    mark = marked.begin if marked.ends_prompts else marked.end
    return any(mark.strip() in text for text in _described(text_model))


def _described(text_model: TextModel) -> tuple[str, str]:
    return text_model.chat_template, _without_escapes(text_model.response_template)
