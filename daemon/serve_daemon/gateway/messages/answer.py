"""A completion in the words of Anthropic's Messages API: its message, and the events of its stream.

Text, reasoning and calls of tools are blocks, one after the other, with a number each.
"""

import base64
import hashlib
import uuid
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec
from falcon.asgi import SSEvent

from serve_daemon.api.anthropic import MessagesRequest
from serve_daemon.api.anthropic_replies import (
    Block,
    BlockDelta,
    BlockStart,
    BlockStop,
    Delta,
    DeltaUsage,
    InputDelta,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    OutputTokensDetails,
    Ping,
    SignatureDelta,
    StopDelta,
    StopReason,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
)
from serve_daemon.api.errors import ErrorBody
from serve_daemon.gateway.answers.completion import Completion
from serve_daemon.gateway.common.pieces import (
    CallArguments,
    CallBegins,
    CallEnds,
    Piece,
    Reasoning,
    Text,
)
from serve_daemon.gateway.http.error_shapes import anthropic_error
from serve_daemon.gateway.http.frames import Frame, encode, named
from serve_daemon.wire.messages import Finish

PING = named("ping", Ping())


class MessagesAnswer:
    """Speaks the events in their order."""

    def __init__(self, request: MessagesRequest, completion: Completion) -> None:
        self._request = request
        self._completion = completion
        self._id = f"msg_{uuid.uuid4().hex}"
        self._index = -1  # of the last block
        self._open: type[Piece] | None = None  # what the block that is open is made of
        self._thought: list[str] = []  # in that block
        self._has_called = False

    # ------------------------------------------------------------ a stream

    def begin(self) -> Iterator[SSEvent]:
        yield _event(MessageStart(message=self._message([], None)))
        yield PING

    def tell(self, pieces: Sequence[Piece]) -> Iterator[SSEvent]:
        for piece in pieces:
            yield from self._tell(piece)

    def _tell(self, piece: Piece) -> Iterator[SSEvent]:
        match piece:
            case Text(text=text):
                yield from self._within(Text, TextBlock(text=""))
                yield self._delta(TextDelta(text=text))
            case Reasoning(text=text):
                yield from self._within(Reasoning, ThinkingBlock(thinking="", signature=""))
                self._thought.append(text)
                if self._request.is_thinking_shown:
                    yield self._delta(ThinkingDelta(thinking=text))
            case CallBegins(call_id=call_id, name=name):
                self._has_called = True
                yield from self._close()
                yield from self._within(CallBegins, ToolUseBlock(id=call_id, name=name, input={}))
            case CallArguments(text=text):
                yield self._delta(InputDelta(partial_json=text))
            case CallEnds():
                yield from self._close()

    def _within(self, kind: type[Piece], block: Block) -> Iterator[SSEvent]:
        """Have a block of this kind open."""
        if self._open is not kind:
            yield from self._close()
            self._index += 1
            self._open = kind
            yield _event(BlockStart(index=self._index, content_block=block))

    def _close(self) -> Iterator[SSEvent]:
        """End the block that is open, if any."""
        if self._open is Reasoning:
            yield self._delta(SignatureDelta(signature=signature(self._thought)))
            self._thought = []
        if self._open is not None:
            self._open = None
            yield _event(BlockStop(index=self._index))

    def _delta(self, delta: Delta) -> Frame:
        return _event(BlockDelta(index=self._index, delta=delta))

    def end(self) -> Iterator[SSEvent]:
        yield from self._close()
        delta = StopDelta(stop_reason=self._stop_reason, stop_sequence=self._completion.stop_string)
        yield _event(MessageDelta(delta=delta, usage=DeltaUsage(**self._counts)))
        yield _event(MessageStop())

    def fail(self, error: ErrorBody) -> Iterator[SSEvent]:
        yield named("error", anthropic_error(error, self._completion.exchange.request_id))

    # ------------------------------------------------------------ a message

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        self._has_called = any(isinstance(piece, CallBegins) for piece in pieces)
        blocks = blocks_of(pieces, is_thinking_shown=self._request.is_thinking_shown)
        return encode(self._message(blocks, self._stop_reason))

    def _message(self, content: list[Block], stop_reason: StopReason | None) -> Message:
        return Message(
            id=self._id,
            model=self._request.model,
            content=content,
            stop_reason=stop_reason,
            stop_sequence=self._completion.stop_string,
            usage=Usage(**self._counts),
        )

    @property
    def _stop_reason(self) -> StopReason:
        if self._completion.stop_string is not None:
            return "stop_sequence"
        if self._completion.finish_reason is Finish.LENGTH:
            wanted = self._request.max_tokens or 0
            is_context_full = self._completion.completion_tokens < wanted
            return "model_context_window_exceeded" if is_context_full else "max_tokens"
        return "tool_use" if self._has_called else "end_turn"

    @property
    def _counts(self) -> dict[str, Any]:
        completion = self._completion
        cached = completion.cached_tokens if self._request.marks_cache else 0
        return {
            "input_tokens": completion.prompt_tokens - cached,
            "cache_read_input_tokens": cached,
            "output_tokens": completion.completion_tokens,
            "output_tokens_details": OutputTokensDetails(completion.reasoning_tokens),
        }


def blocks_of(pieces: Sequence[Piece], *, is_thinking_shown: bool = True) -> list[Block]:
    """The blocks of a whole message."""
    blocks: list[Block] = []
    for _, same in groupby(pieces, key=_block_key):
        match list(same):
            case [Text(), *_] as texts:
                blocks.append(TextBlock(text=_text(texts)))
            case [Reasoning(), *_] as thoughts:
                thought = _text(thoughts)
                shown = thought if is_thinking_shown else ""
                blocks.append(ThinkingBlock(thinking=shown, signature=signature([thought])))
            case [CallBegins(call_id=call_id, name=name), *rest]:
                arguments = arguments_of(_text(rest))
                blocks.append(ToolUseBlock(id=call_id, name=name, input=arguments))
    return blocks


def _block_key(piece: Piece) -> object:
    """Equal for pieces of one block that follow each other."""
    return type(piece) if isinstance(piece, Text | Reasoning) else piece.index


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(
        piece.text for piece in pieces if isinstance(piece, Text | Reasoning | CallArguments)
    )


def arguments_of(text: str) -> dict[str, Any]:
    """The input of a tool; nothing of one whose JSON was cut by `max_tokens`."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def signature(thought: Sequence[str]) -> str:
    """What names a thought; it is not checked when it comes back."""
    return base64.b64encode(hashlib.sha256("".join(thought).encode()).digest()).decode()


def _event(event: Any) -> Frame:
    """Named as its type is."""
    return named(event.__struct_config__.tag, event)
