"""The parts of a written call of a tool."""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import Struct

# "object":  begin {"name": "NAME", "arguments": {...}} end, and so again after `between`
# "list":    begin [{"name": "NAME", "arguments": {...}}, ...] end, once for all calls
# "named":   begin NAME name_end {...} end, again after `between`
# "tags":    begin NAME name_end, then for each argument
#            tag.begin KEY tag.name_end VALUE tag.end, then end; again after `between`.
#            A string stands there bare, any other value is JSON
# "lax":     as "named", of a JSON in which keys are bare and strings stand in `quote`
Form = Literal["object", "list", "named", "tags", "lax"]


class Tag(Struct, frozen=True):
    """How one argument is written between tags."""

    begin: str
    name_end: str
    end: str


class ToolSyntax(Struct, frozen=True, kw_only=True):
    """How the models of a family write calls. White space at the ends of a mark may be other."""

    family: str
    form: Form = "object"
    # Before a call. "": an answer that begins with the JSON of a call of a known tool is one.
    begin: str = ""
    end: str = ""
    section_begin: str = ""  # before the first call
    section_end: str = ""  # after the last one
    between: str = "\n"  # of two calls
    name_key: str = "name"
    arguments_key: str = "arguments"
    name_end: str = ""
    tag: Tag | None = None
    id_begin: str = ""  # "named": between NAME and name_end, before an id that may stand there
    quote: str = '"'  # of "lax"
    text_begin: str = ""  # before what is said to the user, where a family marks that
    text_end: str = ""
    other_begins: tuple[str, ...] = ()  # marks that may stand in place of `begin`
    stops: tuple[str, ...] = ()  # special tokens that end an answer after a call
    knows_tools: bool = True  # the chat template tells the model of the tools
    special_tokens: tuple[str, ...] = ()  # those that stand in the marks

    @property
    def first_marks(self) -> tuple[str, ...]:
        """What calls may begin with; empty where they begin with their JSON."""
        return tuple(filter(None, (self.section_begin, self.begin, *self.other_begins)))

    @property
    def first_mark(self) -> str:
        """What an answer that is a call begins with, without white space; "" for its JSON."""
        return (self.section_begin or self.begin).strip()

    @property
    def begin_is_special_token(self) -> bool:
        """Whether the first call begins with a special token rather than with text."""
        return any(self.first_mark.startswith(token) for token in self.special_tokens)

    @property
    def marks(self) -> tuple[str, ...]:
        """All that may stand around calls and texts."""
        tag = (self.tag.begin, self.tag.name_end, self.tag.end) if self.tag else ()
        own = (self.section_begin, self.begin, self.name_end, self.end, self.section_end)
        texts = (self.text_begin, self.text_end, self.quote, self.id_begin)
        return tuple(filter(None, (*own, *tag, *texts, *self.other_begins)))

    def with_special_tokens(self, special: tuple[str, ...]) -> "ToolSyntax":
        """This, for a tokenizer with these special tokens."""
        found = special_tokens_in((*self.marks, *self.stops), special)
        return msgspec.structs.replace(self, special_tokens=found)


class Marked(Struct, frozen=True):
    """Reasoning between two marks."""

    begin: str
    end: str
    ends_prompts: bool = False  # every prompt ends so: it doesn't mean that reasoning is over


class ReasoningSyntax(Struct, frozen=True):
    """Where reasoning stands in an answer: at its beginning, before anything else."""

    begin: str  # "<think>\n"
    end: str  # "\n</think>\n\n"
    is_open_at_start: bool = False  # the prompt ends inside reasoning: `begin` isn't written
    special_tokens: tuple[str, ...] = ()  # those that stand in the marks

    @property
    def is_special_token(self) -> bool:
        """Whether it begins with a special token rather than with text."""
        return any(self.begin.startswith(token) for token in self.special_tokens)


def special_tokens_in(marks: Iterable[str], special: Iterable[str]) -> tuple[str, ...]:
    """Those of the special tokens that stand in these marks."""
    text = "\0".join(marks)
    return tuple(token for token in special if token in text)


class Family(Struct, frozen=True):
    """Models that write calls alike."""

    models: str  # for people
    marks: tuple[str, ...]  # that a chat template of the family has
    syntax: ToolSyntax
