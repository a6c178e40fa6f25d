"""Text that comes piece by piece, for readers that are generators: each `yield` waits for more.

What readers make of a text is the same however it was cut, since none of them looks at what has
come as a whole: each waits until it is certain what comes next, or that nothing does.
"""

import re
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

Result = TypeVar("Result")
Waiting = Generator[None, None, Result]
Say = Callable[[str], None]
Trim = Callable[[str], str]

NAME = re.compile(r"[A-Za-z0-9_.-]*")
MAX_MATCH = 256  # what is longer is no name of a tool


class Malformed(Exception):  # noqa: N818 - it says what the text is
    """What comes has not the form that a reader expects."""


class Marks:
    """Strings that mean something where they stand in a text."""

    def __init__(self, marks: Iterable[str]) -> None:
        self._marks = sorted(filter(None, marks), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._marks)) or r"(?!)")
        self._firsts = {mark[0] for mark in self._marks}
        self._longest = max(map(len, self._marks), default=0)

    def search(self, text: str, at: int) -> re.Match[str] | None:
        """The first of them; of those that begin at one place the longest."""
        return self._pattern.search(text, at)

    def held_from(self, text: str, at: int) -> int:
        """From where on `text` may be the beginning of a mark; its length where it can't be."""
        for place in range(max(at, len(text) - self._longest + 1), len(text)):
            if text[place] in self._firsts:
                tail = text[place:]
                if any(mark.startswith(tail) and mark != tail for mark in self._marks):
                    return place
        return len(text)


class Incoming:
    """What has come and was not taken yet: `text` from `at` on."""

    def __init__(self) -> None:
        self.text = ""
        self.at = 0
        self.is_ended = False
        self._is_pinned = False

    def add(self, text: str) -> None:
        self.text += text

    def pin(self) -> int:
        """This place, to which `back` leads unless `unpin` comes first."""
        self._is_pinned = True
        return self.at

    def back(self, place: int) -> None:
        self.at, self._is_pinned = place, False

    def unpin(self) -> None:
        self._is_pinned = False

    def peek(self) -> Waiting[str]:
        """The next character; "" at the end."""
        while self.at >= len(self.text):
            if self.is_ended:
                return ""
            yield
        return self.text[self.at]

    def skip_space(self) -> Waiting[None]:
        while (yield from self.peek()).isspace():
            self.at += 1

    def accept(self, mark: str) -> Waiting[bool]:
        """Whether `mark` comes next, which is taken then; white space in it may be other."""
        begin = self.at
        for part in mark.split():
            yield from self.skip_space()
            if not (yield from self.accept_here(part)):
                self.at = begin
                return False
        return True

    def expect(self, mark: str) -> Waiting[None]:
        if not (yield from self.accept(mark)):
            raise Malformed

    def accept_here(self, part: str) -> Waiting[bool]:
        """As `accept`, of a mark that comes without white space before it."""
        while True:
            found = self.text[self.at : self.at + len(part)]
            if found == part:
                self.at += len(part)
                return True
            if self.is_ended or not part.startswith(found):
                return False
            yield

    def name(self) -> Waiting[str]:
        """What is written as a name is; "" where nothing is."""
        return (yield from self.match(NAME))

    def match(self, pattern: re.Pattern[str]) -> Waiting[str]:
        """What `pattern` matches here, at most some hundred characters; it is taken."""
        while True:
            found = pattern.match(self.text, self.at)
            end = found.end() if found else self.at
            if end - self.at > MAX_MATCH:
                raise Malformed
            if end < len(self.text) or self.is_ended:
                text = self.text[self.at : end]
                self.at = end
                return text
            yield

    def until(self, marks: Marks, say: Say, trim: Trim = str) -> Waiting[str]:
        """Say what comes before the first of `marks`; return that mark, "" at the end.

        The mark is not taken, nor what `trim` drops before it, which is held back meanwhile.
        """
        while True:
            found = marks.search(self.text, self.at)
            held = len(self.text) if self.is_ended else marks.held_from(self.text, self.at)
            if found and (self.is_ended or found.start() < held):
                self._say_until(found.start(), say, trim)
                return found[0]
            if self.is_ended:
                self._say_until(held, say, str)
                return ""
            self._say_until(held, say, trim)
            self.trim()
            yield

    def _say_until(self, end: int, say: Say, trim: Trim) -> None:
        text = trim(self.text[self.at : end])
        self.at += len(text)
        if text:
            say(text)

    def trim(self) -> None:
        """Forget what was taken, unless one may have to go back."""
        if not self._is_pinned:
            self.text = self.text[self.at :]
            self.at = 0
