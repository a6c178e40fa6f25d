"""Writing grammars in llguidance's Lark: rules, marks that may be special tokens, embedded JSON.

Special tokens are named by their numbers, as not all are written `<...>`. Text that a client gave
stands in parts, each with the field that it came from, so that a bad one can be told apart.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llguidance import regex_to_lark
from msgspec import Struct
from tokenizers import Tokenizer

TEXT = "TEXT"  # the terminal for any text
_ANY_TEXT = "TEXT: /(?s:.*)/"


class Part(Struct, frozen=True):
    """An expression made of what a client gave, and the field where it stands."""

    field: str
    expression: str


class Lark:
    """One grammar as it grows. Expressions are strings, to be put together with spaces and `|`."""

    def __init__(self, special: Mapping[str, int]) -> None:
        self.parts: list[Part] = []
        self._special = special
        self._rules: list[str] = []
        names = sorted(special, key=len, reverse=True)
        self._split = re.compile("|".join(map(re.escape, names))) if names else None

    def whole(self, start: str) -> str:
        """The text of the grammar."""
        return "\n".join([f"start: {start}", *self._rules, _ANY_TEXT])

    def rule(self, name: str, expression: str) -> str:
        """A rule of its own, whose name begins with `name`."""
        return self._add(name, "", expression)

    def mark(self, text: str) -> str:
        """Exactly `text`, in which the names of special tokens stand for the tokens."""
        return " ".join(self._pieces(text))

    def until(self, text: str) -> str:
        """Any text up to and with the first `text`."""
        pieces = self._pieces(text)
        tokens = [place for place, piece in enumerate(pieces) if _is_token(piece)]
        if tokens:  # what stands before the token is text like any other
            return " ".join([TEXT, *pieces[tokens[0] :]])
        return self._add("until", "[lazy]", f"{TEXT} {pieces[0]}")

    def at_once(self, text: str) -> str:
        """`text`, which is taken for this mark even where any text might stand."""
        first, *rest = self._pieces(text)
        return " ".join([first if _is_token(first) else self._add("mark", "[lazy]", first), *rest])

    def part(self, field: str, expression: str) -> str:
        """What a client gave in `field`, as a rule."""
        self.parts.append(Part(field, expression))
        return self.rule("given", expression)

    def recursive(self, name: str, expression_of: Callable[[str], str]) -> str:
        """A rule whose expression names itself."""
        place = len(self._rules)
        name = f"{name}_{place}"
        self._rules.append("")
        self._rules[place] = f"{name}: {expression_of(name)}"
        return name

    def _add(self, name: str, options: str, expression: str) -> str:
        name = f"{name}_{len(self._rules)}"
        self._rules.append(f"{name}{options}: {expression}")
        return name

    def _pieces(self, text: str) -> list[str]:
        if self._split is None:
            return [literal(text)] if text else []
        pieces: list[str] = []
        place = 0
        for found in self._split.finditer(text):
            if found.start() > place:
                pieces.append(literal(text[place : found.start()]))
            pieces.append(f"<[{self._special[found.group()]}]>")
            place = found.end()
        return [*pieces, literal(text[place:])] if place < len(text) else pieces


def _is_token(piece: str) -> bool:
    return piece.startswith("<[")


def literal(text: str) -> str:
    """Exactly `text`."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def regex(pattern: str) -> str:
    """All that `pattern` matches as a whole, with or without anchors that say so."""
    return f"/{regex_to_lark(_without_anchors(pattern), use_ascii='d')}/"


def _without_anchors(pattern: str) -> str:
    bare = pattern.removeprefix("^")
    if not bare.endswith("$"):
        return bare
    backslashes = len(bare[:-1]) - len(bare[:-1].rstrip("\\"))
    return bare if backslashes % 2 else bare[:-1]


def embedded_json(schema: Mapping[str, Any]) -> str:
    return f"%json {json.dumps(schema, ensure_ascii=False)}"


def one_of(expressions: Iterable[str]) -> str:
    options = list(expressions)
    return options[0] if len(options) == 1 else f"({' | '.join(options)})"


def special_tokens(tokenizer: Tokenizer) -> dict[str, int]:
    """The tokens that llguidance takes for special, which text never stands for, by their names.

    Those are also added tokens in angle brackets that the tokenizer itself takes for text.
    """
    return {
        token.content: number
        for number, token in tokenizer.get_added_tokens_decoder().items()
        if token.special or (token.content.startswith("<") and token.content.endswith(">"))
    }
