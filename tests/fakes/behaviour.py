"""How a fake engine behaves: knobs read from its source, and the text that it produces.

A source is `fake:KNOB=VALUE,...`, or a directory of such a name; every knob is a field of
`Behaviour`. What is produced depends on the position after the last `<|assistant|>` alone, so that
a sequence which is submitted again with its output so far must go on as if nothing had happened.
"""

from collections.abc import Iterator
from itertools import chain, count, islice, repeat, takewhile
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from fakes.artefacts import END, make_tokenizer


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The knobs. Requests are counted from 1 in the life of the process."""

    load: float = 0.0  # seconds before it is ready
    prefill: float = 0.0  # seconds before the first token of a sequence
    token_delay: float = 0.005  # seconds a step
    pace: float = 0.0  # seconds between two tokens of a sequence, from its own first; 0: a step
    text: str = "echo"  # the last user message; count: "1 2 3 ..." without end; silence: nothing
    crash_on: int = 0  # exit abruptly with the first token of this request
    crash_after: int = 0  # exit abruptly after so many tokens in all
    crash_loading: int = 0  # 1: exit abruptly before it is ready
    poison: str = ""  # abort with the first token of a request that has this text in its prompt
    swallow: int = 0  # take so many MiB more with the first token of a request, and keep them:
    swallow_on: int = 0  # of this one; 0: take them while loading
    hang_on: int = 0  # make no more steps once this request came; heartbeats go on
    freeze_on: int = 0  # stop the whole process once this request came
    error_on: int = 0  # this request alone fails
    refuse_on: int = 0  # this request is refused, and
    refuse_all: int = 0  # 1: every one after it too
    ignore_sigterm: int = 0
    fail: str = ""  # a Reason: say Failing while loading, and exit with 1
    context: int = 4096  # max_context where the spec says 0
    temperature: float = 1.0  # of generation_config.json
    greedy: int = 0  # 1: generation_config.json says do_sample false
    eos: int = 1  # 0: never ends a sequence by itself
    dimensions: int = 0  # of the vectors that it makes of texts; 0: it generates
    thinks: int = 0  # 1: its answers may begin with reasoning, between <think> and </think>
    order: int = 0  # of the vocabulary; another one is another tokenizer
    record: str = ""  # a file that gets one JSON line for each Submit and Cancel
    stamps: str = ""  # a file that gets, of each sequence that ends, when its tokens were sent
    once: str = (
        ""  # a file: with it, crash_on, swallow_on, hang_on and freeze_on hold until it exists
    )


def read_source(source: str) -> Behaviour:
    """The behaviour that `fake:...` asks for."""
    scheme, _, text = source.partition(":")
    if scheme != "fake" and not scheme.endswith("/fake"):
        raise ValueError(f"{source!r} is no source of a fake engine: fake:KNOB=VALUE,...")
    knobs = dict(part.split("=", 1) for part in text.split(",") if part)
    return msgspec.convert(knobs, Behaviour, strict=False)


def happens(number: int, wanted: int, once: str) -> bool:
    """Whether what was wanted of request `wanted` happens now, with request `number`."""
    if number != wanted or (once and Path(once).exists()):
        return False
    if once:
        Path(once).touch()
    return True


class Author:
    """Knows the text of every sequence."""

    def __init__(self, text: str, order: int) -> None:
        tokenizer: Tokenizer = make_tokenizer(order)
        self._text = text
        self._tokenizer = tokenizer
        self._user, self._assistant, self.end = (
            tokenizer.encode(mark).ids[0] for mark in ("<|user|>", "<|assistant|>", END)
        )
        self.vocabulary = tokenizer.get_vocab_size()
        self._digits = {c: tokenizer.encode(c).ids[0] for c in "0123456789 "}

    def read(self, tokens: list[int]) -> str:
        """The text of a prompt, with what follows."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def write(self, tokens: list[int]) -> Iterator[int]:
        """The tokens after `tokens`, for ever; the end mark where the text has ended."""
        start = _last(tokens, self._assistant) + 1
        position = len(tokens) - start
        if self._text == "count":
            return (self._digits[_counting(number)] for number in count(position))
        if self._text == "silence":
            return repeat(self.end)
        question = tokens[_last(tokens[:start], self._user) + 1 : start]
        answer = takewhile(lambda token: token != self.end, question)
        return islice(chain(answer, repeat(self.end)), position, None)


def counting(length: int) -> str:
    """The first `length` characters of "1 2 3 ..."."""
    text = ""
    for number in count(1):
        if len(text) >= length:
            return text[:length]
        text += f"{number} "
    raise AssertionError


def _counting(position: int) -> str:
    """The character at `position` of "1 2 3 ...", without writing what comes before it."""
    width, first = 1, 1
    while position >= (block := 9 * first * (width + 1)):
        position -= block
        width, first = width + 1, first * 10
    number, offset = divmod(position, width + 1)
    return f"{first + number} "[offset]


def _last(tokens: list[int], wanted: int) -> int:
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index] == wanted:
            return index
    return -1
