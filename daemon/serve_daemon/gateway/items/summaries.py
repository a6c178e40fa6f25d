"""Summaries of reasoning: drawn from it, since it is shown whole beside them anyway."""

import re
from collections.abc import Callable

Summarize = Callable[[str], str]

_SENTENCE_END = re.compile(r"[.!?](?=\s)")


def concise(reasoning: str) -> str:
    """The first sentence of each paragraph."""
    paragraphs = (paragraph.strip() for paragraph in reasoning.split("\n\n"))
    return "\n\n".join(_first_sentence(paragraph) for paragraph in paragraphs if paragraph)


def detailed(reasoning: str) -> str:
    """All of it."""
    return reasoning.strip()


# By `reasoning.summary`. With "auto" it is the server's choice: none, as the reasoning is there.
SUMMARIES: dict[str, Summarize] = {"concise": concise, "detailed": detailed}


def _first_sentence(paragraph: str) -> str:
    end = _SENTENCE_END.search(paragraph)
    return paragraph[: end.end()] if end else paragraph
