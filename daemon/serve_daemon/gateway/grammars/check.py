"""Whether llguidance takes a grammar, found out before an engine is to work by it."""

import functools
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.gateway.grammars.lark import Lark, Part
from serve_daemon.wire.grammars import LIMITS

MAX_CHARACTERS = 1024 * 1024
MAX_REASON_CHARACTERS = 400
REMEMBERED = 4096  # grammars and parts of them, by what was found of each

# How llguidance says where in a grammar it found something, which is not the client's text.
_PLACE = re.compile(r"^at \d+\(\d+\): ")
_SOURCE = re.compile(r"^ *\d+ \| .*\n?( *\^ *\n?)?", re.MULTILINE)

_problems: OrderedDict[bytes, str] = OrderedDict()


def check(text: str, parts: Sequence[Part]) -> None:
    """Raise `InvalidRequest` if `text` is no grammar, for the one of its `parts` that is none."""
    largest = max(parts, key=lambda part: len(part.expression)).field if parts else "tools"
    if len(text) > MAX_CHARACTERS:
        message = (
            f"Invalid '{largest}': the grammar of this request has {len(text)} characters, more"
            f" than the maximum, {MAX_CHARACTERS}."
        )
        raise InvalidRequest(message, largest, "grammar_too_large")
    for part in parts:
        if problem := _remembered(_problem_at_work, Lark({}).whole(part.expression)):
            raise _refusal(part.field, problem)
    if problem := _remembered(_problem, text):
        raise _refusal(largest, problem)


def _problem(text: str) -> str:
    """Why `text` is no grammar; "" if it is one. It may have tokens of any vocabulary."""
    return str(LLMatcher.validate_grammar(text, limits=LLParserLimits(**LIMITS)))


def _problem_at_work(text: str) -> str:
    """Why no text can be held to the grammar `text`, which has no special tokens."""
    matcher = LLMatcher(_bytes(), text, log_level=0, limits=LLParserLimits(**LIMITS))
    matcher.compute_bitmask()
    return str(matcher.get_error())


@functools.cache
def _bytes() -> LLTokenizer:
    """A vocabulary of single bytes."""
    return LLTokenizer("byte")


def _remembered(find: Callable[[str], str], text: str) -> str:
    digest = hashlib.sha256(f"{find.__name__} {text}".encode()).digest()
    problem = _problems.get(digest)
    if problem is None:
        problem = _problems[digest] = find(text)
        if len(_problems) > REMEMBERED:
            _problems.popitem(last=False)
    return problem


def _refusal(field: str, reason: str) -> InvalidRequest:
    plain = " ".join(_SOURCE.sub("", _PLACE.sub("", reason)).split())
    message = f"Invalid '{field}': no grammar can be made of it: {plain[:MAX_REASON_CHARACTERS]}"
    return InvalidRequest(message, field, "invalid_grammar")
