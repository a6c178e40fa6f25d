"""The bytes of a streamed completion: chunked transfer coding, events, and what those say."""

from collections.abc import Iterator
from typing import Any

import msgspec

DONE = b"[DONE]"


class Delta(msgspec.Struct, frozen=True):
    content: str | None = None


class Choice(msgspec.Struct, frozen=True):
    delta: Delta


class Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int


class Event(msgspec.Struct, frozen=True):
    """As much of a chat completion's chunk as a benchmark looks at."""

    choices: list[Choice] = []
    usage: Usage | None = None
    error: Any = None

    @property
    def has_text(self) -> bool:
        return any(choice.delta.content for choice in self.choices)


_decoder = msgspec.json.Decoder(Event)


class Dechunker:
    """Takes the chunked transfer coding off, however the bytes are cut."""

    def __init__(self) -> None:
        self._waiting = b""
        self._left = 0
        self.is_over = False

    def feed(self, data: bytes) -> bytes:
        self._waiting += data
        content = b""
        while self._waiting and not self.is_over:
            if self._left > 2:
                taken = self._waiting[: self._left - 2]
                content += taken
            else:
                taken = self._waiting[: self._left]  # the line's end behind a chunk
            if self._left:
                self._left -= len(taken)
                self._waiting = self._waiting[len(taken) :]
            elif not self._begin_chunk():
                break
        return content

    def _begin_chunk(self) -> bool:
        line, found, rest = self._waiting.partition(b"\r\n")
        if not found:
            return False
        size = int(line.partition(b";")[0], 16)
        self.is_over = size == 0
        self._left = size + 2
        self._waiting = rest
        return True


class Events:
    """The events of a stream, as they become complete."""

    def __init__(self) -> None:
        self._waiting = b""
        self.is_over = False

    def feed(self, data: bytes) -> Iterator[Event]:
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        for line in lines:
            field, _, value = line.rstrip(b"\r").partition(b":")
            if field != b"data":
                continue
            if value.strip() == DONE:
                self.is_over = True
            else:
                yield _decoder.decode(value)
