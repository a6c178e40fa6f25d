"""An answer as it comes: what the model thinks, what it says, and the calls in that."""

from collections.abc import Callable, Sequence

from serve_daemon.api.tools import FunctionTool
from serve_daemon.gateway.common.pieces import Piece, Reasoning, Text
from serve_daemon.gateway.parsing.calls import Calls, read_calls
from serve_daemon.gateway.parsing.incoming import Incoming, Malformed, Marks, Waiting
from serve_daemon.gateway.parsing.tool_writing import ReasoningSyntax, ToolSyntax


class Answer:
    """Reads one answer; without `tools` no call is looked for, without `reasoning` no thought."""

    def __init__(
        self,
        incoming: Incoming,
        tell: Callable[[Piece], None],
        syntax: ToolSyntax,
        reasoning: ReasoningSyntax | None,
        tools: Sequence[FunctionTool],
    ) -> None:
        self.is_reasoning = False
        self.calls = Calls(incoming, tools, tell)
        self._incoming = incoming
        self._tell = tell
        self._syntax = syntax
        self._reasoning = reasoning
        self._tools = tools
        self._thought_marks = _first_parts(reasoning.begin) if reasoning else []
        self._text_marks = _first_parts(syntax.text_begin, syntax.text_end)
        self._call_marks = _first_parts(*syntax.first_marks) if tools else []

    def read(self) -> Waiting[None]:
        """All of it."""
        yield from self._begin()
        marks = Marks([*self._call_marks, *self._text_marks, *self._later_thoughts()])
        trim = str.rstrip if self._call_marks else str
        while mark := (yield from self._incoming.until(marks, self._say, trim)):
            place = self._incoming.pin()
            try:
                yield from self._at(mark)
            except Malformed:
                self._incoming.back(place)
                self._say_through(mark)
            self._incoming.unpin()

    def _begin(self) -> Waiting[None]:
        reasoning = self._reasoning
        if reasoning and (
            reasoning.is_open_at_start or (yield from self._incoming.accept(reasoning.begin))
        ):
            yield from self._think(reasoning)
        if self._tools and not self._syntax.begin:
            place = self._incoming.pin()
            try:
                yield from self._call()
            except Malformed:
                self._incoming.back(place)

    def _later_thoughts(self) -> list[str]:
        """Marks of reasoning that mean it also amid an answer: nobody writes those by chance."""
        is_special = self._reasoning and self._reasoning.is_special_token
        return self._thought_marks if is_special else []

    def _at(self, mark: str) -> Waiting[None]:
        incoming = self._incoming
        if mark in self._text_marks:
            is_begin = self._syntax.text_begin.startswith(mark)
            yield from incoming.expect(self._syntax.text_begin if is_begin else mark)
        elif mark in self._call_marks:
            yield from self._call()
        elif self._reasoning:
            yield from incoming.expect(self._reasoning.begin)
            yield from self._think(self._reasoning)

    def _call(self) -> Waiting[None]:
        yield from read_calls(self._incoming, self._syntax, self.calls)
        yield from self._incoming.skip_space()

    def _think(self, reasoning: ReasoningSyntax) -> Waiting[None]:
        self.is_reasoning = True
        self._incoming.unpin()
        yield from self._incoming.skip_space()
        end = Marks(_first_parts(reasoning.end))
        yield from self._incoming.until(end, self._say_thought, str.rstrip)
        yield from self._incoming.accept(reasoning.end)
        self.is_reasoning = False
        yield from self._incoming.skip_space()

    def _say(self, text: str) -> None:
        self._tell(Text(text))

    def _say_thought(self, text: str) -> None:
        self._tell(Reasoning(text))

    def _say_through(self, mark: str) -> None:
        """A mark that begins nothing is text, and so is the white space before it."""
        incoming = self._incoming
        end = incoming.text.index(mark, incoming.at) + len(mark)
        self._say(incoming.text[incoming.at : end])
        incoming.at = end


def _first_parts(*marks: str) -> list[str]:
    """What can be looked for of marks in which white space may be other."""
    return [mark.split()[0] for mark in marks if mark.strip()]
