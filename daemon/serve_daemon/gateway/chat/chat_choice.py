"""One choice in the words of Chat Completions."""

from collections.abc import Callable, Iterator, Sequence

from falcon.asgi import SSEvent
from msgspec import UNSET

from serve_daemon.api.chat_completions import ChatRequest
from serve_daemon.api.chat_objects import (
    CalledFunction,
    Choice,
    ChunkChoice,
    Delta,
    FinishReason,
    FunctionDelta,
    ReplyMessage,
    ReplyToolCall,
    ToolCallDelta,
)
from serve_daemon.api.logprobs import ChoiceLogprobs
from serve_daemon.gateway.answers.completion import Completion
from serve_daemon.gateway.chat.said import Said, joined
from serve_daemon.gateway.common.pieces import CallArguments, CallBegins, Piece, Reasoning, Text
from serve_daemon.gateway.http.frames import PLACE, Frame, Template, obfuscated
from serve_daemon.wire.messages import Finish

Chunk = Callable[[ChunkChoice], Frame]  # the event that such a choice goes out in
Kind = type[Text] | type[Reasoning] | int  # of a delta; a number: arguments of this call


class ChatChoice:
    """Its deltas, or its message."""

    def __init__(
        self, request: ChatRequest, completion: Completion, index: int, chunk: Chunk
    ) -> None:
        self._request = request
        self._completion = completion
        self._index = index
        self._chunk = chunk
        self._has_calls = False
        self._is_plain = not (request.logprobs or request.include_obfuscation)
        self._templates: dict[Kind, Template] = {}

    def begin(self) -> Iterator[SSEvent]:
        yield self._chunk(ChunkChoice(Delta(role="assistant", content=""), index=self._index))

    def tell(self, pieces: Sequence[Piece]) -> Iterator[SSEvent]:
        for piece in pieces:
            if isinstance(piece, Text):  # nearly always, so it is looked for first
                yield self._event(Text, piece.text)
                continue
            match piece:
                case Reasoning(text=text):
                    if self._request.include_reasoning:
                        yield self._event(Reasoning, text)
                case CallBegins():
                    yield from self._begin_call(piece)
                case CallArguments(index=index, text=text):
                    if self._tells_call(index):
                        yield self._event(index, text)

    def end(self) -> Iterator[SSEvent]:
        logprobs = self._logprobs()
        yield self._chunk(ChunkChoice(Delta(), self._finish_reason, self._index, logprobs))

    def whole(self, pieces: Sequence[Piece]) -> Choice:
        said = joined(pieces)
        self._has_calls = bool(said.calls)
        return Choice(self._message(said), self._finish_reason, self._index, self._logprobs())

    # ------------------------------------------------------------ deltas

    def _event(self, kind: Kind, text: str) -> Frame:
        template = self._templates.get(kind)
        if template is not None:
            return template.fill(text)
        if self._is_plain:
            delta = _delta(kind, PLACE, self._request.uses_functions)
            template = Template(self._chunk(ChunkChoice(delta, index=self._index)))
            self._templates[kind] = template
            return template.fill(text)
        return self._full_event(_delta(kind, text, self._request.uses_functions))

    def _full_event(self, delta: Delta) -> Frame:
        frame = self._chunk(ChunkChoice(delta, index=self._index, logprobs=self._logprobs()))
        return obfuscated(frame) if self._request.include_obfuscation else frame

    def _begin_call(self, call: CallBegins) -> Iterator[SSEvent]:
        self._has_calls = True
        if self._tells_call(call.index):
            yield self._full_event(_beginning(call, self._request.uses_functions))

    def _tells_call(self, index: int) -> bool:
        """The deprecated form has room for one call."""
        return index == 0 or not self._request.uses_functions

    # ------------------------------------------------------------ the message

    def _message(self, said: Said) -> ReplyMessage:
        is_silent = bool(said.calls) and not said.text.strip()
        thoughts = said.reasoning if self._request.include_reasoning else ""
        calls = [
            ReplyToolCall(call.call_id, CalledFunction(call.name, call.arguments))
            for call in said.calls.values()
        ]
        in_calls = calls and not self._request.uses_functions
        return ReplyMessage(
            content=None if is_silent else said.text,
            reasoning_content=thoughts or UNSET,
            reasoning=thoughts or UNSET,
            tool_calls=calls if in_calls else UNSET,
            function_call=calls[0].function if calls and not in_calls else UNSET,
        )

    @property
    def _finish_reason(self) -> FinishReason:
        if self._completion.finish_reason is Finish.LENGTH:
            return "length"
        if not self._has_calls:
            return "stop"
        return "function_call" if self._request.uses_functions else "tool_calls"

    def _logprobs(self) -> ChoiceLogprobs | None:
        """Of the tokens since the last time; None where nobody asked."""
        taken = self._completion.take_logprobs()
        return ChoiceLogprobs(taken) if self._request.logprobs else None


def _delta(kind: Kind, text: str, uses_functions: bool) -> Delta:
    if kind is Text:
        return Delta(content=text)
    if not isinstance(kind, int):
        return Delta(reasoning_content=text, reasoning=text)
    arguments = FunctionDelta(text)
    if uses_functions:
        return Delta(function_call=arguments)
    return Delta(tool_calls=[ToolCallDelta(kind, arguments)])


def _beginning(call: CallBegins, uses_functions: bool) -> Delta:
    function = FunctionDelta(arguments="", name=call.name)
    if uses_functions:
        return Delta(function_call=function)
    return Delta(tool_calls=[ToolCallDelta(call.index, function, call.call_id, "function")])
