"""How a model writes calls of tools, and what it thinks: found from what came with it."""

import functools

from msgspec import Struct

from serve_daemon.gateway.tokenizer import TextModel
from serve_daemon.gateway.tool_families import FAMILIES, GENERIC, REASONING
from serve_daemon.gateway.tool_writing import Family, Tag, ToolSyntax

__all__ = ["ReasoningSyntax", "Tag", "ToolSyntax", "reasoning_of", "syntax_of"]


class ReasoningSyntax(Struct, frozen=True):
    """Where reasoning stands in an answer; at its beginning, before anything else."""

    begin: str  # "<think>"
    end: str  # "</think>"
    is_open_at_start: bool = False  # the prompt ends inside reasoning: `begin` isn't written


def syntax_of(text_model: TextModel) -> ToolSyntax:
    """How this model writes calls; the generic way where its template knows no tools."""
    return _syntax(
        text_model.chat_template, text_model.response_template, text_model.special_tokens
    )


@functools.lru_cache(maxsize=64)
def _syntax(template: str, response_template: str, special: tuple[str, ...]) -> ToolSyntax:
    family = next((one for one in FAMILIES if _fits(one, response_template)), None)
    if family is None:
        family = next((one for one in FAMILIES if _fits(one, template)), GENERIC)
    return family.syntax.with_special_tokens(special)


def _fits(family: Family, text: str) -> bool:
    return all(mark in text for mark in family.marks)


def reasoning_of(text_model: TextModel, rendered_prompt: str) -> ReasoningSyntax | None:
    """Where this model may think in its answer to this prompt; None where it does not."""
    prompt = rendered_prompt.rstrip()
    known = f"{text_model.chat_template}\n{text_model.response_template}"
    for begin, end in REASONING:
        if prompt.endswith(end.rstrip()):
            return None  # the template has closed it already: the model is not to think
        if prompt.endswith(begin.rstrip()):
            return ReasoningSyntax(begin, end, is_open_at_start=True)
        if end in known:
            return ReasoningSyntax(begin, end)
    return None
