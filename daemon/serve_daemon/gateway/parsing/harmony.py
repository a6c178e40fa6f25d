"""Answers of gpt-oss: messages in channels, each with a head that says what it is.

<|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...
"""

import re
from collections.abc import Callable, Sequence

from serve_daemon.api.tools import FunctionTool
from serve_daemon.gateway.common.pieces import Piece, Reasoning, Text
from serve_daemon.gateway.parsing.calls import Calls
from serve_daemon.gateway.parsing.incoming import Incoming, Marks, Say, Waiting

START, CHANNEL, BODY = "<|start|>", "<|channel|>", "<|message|>"
HEAD_BEGINS = (START, CHANNEL, BODY, " to=functions.")
ENDS = ("<|end|>", "<|return|>", "<|call|>")
CALLED = re.compile(r"\bto=functions\.([A-Za-z0-9_.-]+)")
THOUGHT = re.compile(r"<\|channel\|>\s*analysis\b")


class HarmonyAnswer:
    """Reads one answer; the prompt ends where the head of its first message begins."""

    def __init__(
        self, incoming: Incoming, tell: Callable[[Piece], None], tools: Sequence[FunctionTool]
    ) -> None:
        self.is_reasoning = False
        self.calls = Calls(incoming, tools, tell)
        self._incoming = incoming
        self._tell = tell
        self._tools = tools

    def read(self) -> Waiting[None]:
        """All of it."""
        body = Marks([*ENDS, START, CHANNEL])
        while (yield from self._incoming.peek()):
            say = yield from self._head()
            yield from self._incoming.until(body, say)
            self.calls.end()
            self.is_reasoning = False
            for end in ENDS:
                yield from self._incoming.accept_here(end)

    def _head(self) -> Waiting[Say]:
        """How the message that comes is told. One without a head is text."""
        parts: list[str] = []
        begins = yield from self._begins_head()
        if not begins:
            return self._say
        yield from self._incoming.until(Marks([BODY]), parts.append)
        yield from self._incoming.accept_here(BODY)
        head = "".join(parts)
        if (called := CALLED.search(head)) and self._tools:
            self.calls.begin(called[1])
            return self.calls.say
        self.is_reasoning = bool(THOUGHT.search(head)) and not called
        return self._think if self.is_reasoning else self._say

    def _begins_head(self) -> Waiting[bool]:
        place = self._incoming.at
        for mark in HEAD_BEGINS:
            if (yield from self._incoming.accept_here(mark)):
                self._incoming.at = place
                return True
        return False

    def _say(self, text: str) -> None:
        self._tell(Text(text))

    def _think(self, text: str) -> None:
        self._tell(Reasoning(text))
