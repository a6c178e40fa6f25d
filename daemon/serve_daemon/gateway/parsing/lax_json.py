"""What is nearly JSON to JSON: bare keys, and strings between marks of a family's own.

{city:<|"|>Rome<|"|>,days:3} becomes {"city":"Rome","days":3}.
"""

import json
import re

from serve_daemon.gateway.parsing.incoming import Incoming, Malformed, Marks, Say, Waiting
from serve_daemon.gateway.parsing.tagged import escaped

WORD = re.compile(r"[^\s{}\[\],:\"'<]*")
JSON_WORDS = ("true", "false", "null")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def lax_value(incoming: Incoming, quote: str, say: Say) -> Waiting[None]:
    """Say the JSON of the object that comes next.

    Raises `Malformed` where none does.
    """
    if (yield from incoming.peek()) != "{":
        raise Malformed
    quotes = Marks([quote])
    depth = 0
    while (character := (yield from incoming.peek())) != "":
        if (yield from incoming.accept_here(quote)):
            yield from _string(incoming, quotes, quote, say)
        elif character in "{}[],:" or character.isspace():
            incoming.at += 1
            say(character)
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(character, 0)
            if depth == 0:
                return
        else:
            yield from _bare(incoming, say)


def _string(incoming: Incoming, quotes: Marks, quote: str, say: Say) -> Waiting[None]:
    say('"')
    ended = yield from incoming.until(quotes, lambda text: say(escaped(text)))
    if ended:
        yield from incoming.accept_here(quote)
        say('"')


def _bare(incoming: Incoming, say: Say) -> Waiting[None]:
    """A key, a number, true, false or null; anything else is taken for a string."""
    word = yield from incoming.match(WORD)
    if not word:  # a character that stands in no word
        word = incoming.text[incoming.at]
        incoming.at += 1
    is_key = (yield from incoming.peek()) == ":"
    is_value = word in JSON_WORDS or NUMBER.fullmatch(word)
    say(word if is_value and not is_key else json.dumps(word, ensure_ascii=False))
