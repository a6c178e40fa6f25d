"""The output of a response in the making: which item a piece belongs to, and which are done."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.api.response_output import ItemStatus, OutputItem
from serve_daemon.gateway.common.pieces import (
    CallArguments,
    CallBegins,
    CallEnds,
    Piece,
    Reasoning,
    Text,
)
from serve_daemon.gateway.http.frames import Frame
from serve_daemon.gateway.items.frames import EventNumbers
from serve_daemon.gateway.items.items import (
    CallInTheMaking,
    ItemInTheMaking,
    MessageInTheMaking,
    ReasoningInTheMaking,
    Terms,
)
from serve_daemon.gateway.items.logprobs import TokenQueue


def merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same answer in as few pieces as it can have."""

    def kind_of(piece: Piece) -> tuple[type[Piece], int]:
        return type(piece), piece.index if isinstance(piece, CallArguments) else 0

    for (kind, index), some in groupby(pieces, kind_of):
        if kind is CallArguments:
            yield CallArguments(index, _joined(some))
        elif kind is Text or kind is Reasoning:
            yield kind(_joined(some))
        else:
            yield from some


def _joined(pieces: Iterable[Piece]) -> str:
    texts = (each for each in pieces if isinstance(each, Text | Reasoning | CallArguments))
    return "".join(each.text for each in texts)


class OutputInTheMaking:
    """One item is open at a time; it is added with its first piece, and a piece of another ends it.

    Space alone begins no item where others may come: models write it around what they think and
    call.
    """

    def __init__(self, numbers: EventNumbers, terms: Terms) -> None:
        self._numbers = numbers
        self._terms = terms
        self._done: list[OutputItem] = []
        self._open: ItemInTheMaking | None = None
        self._space = ""
        self._calls = 0
        self._tokens = TokenQueue()

    def items(self, status: ItemStatus = "in_progress") -> list[OutputItem]:
        """All items; `status`: of the one that is open."""
        return [*self._done, self._open.item(status)] if self._open else list(self._done)

    def tell(
        self, pieces: Iterable[Piece], tokens: list[TokenLogprob], *, is_cut: bool
    ) -> Iterator[Frame]:
        """The events for these pieces; `is_cut`: they are the last, since there was no room."""
        self._tokens.add(tokens)
        for piece in pieces:
            match piece:
                case Text():
                    yield from self._add_text(piece)
                case Reasoning():
                    yield from self._add_reasoning(piece)
                case CallBegins():
                    yield from self._begin_call(piece)
                case CallArguments():
                    yield from self._add_arguments(piece)
                case CallEnds():
                    yield from self._end_call(piece, is_cut=is_cut)

    def end(self, status: ItemStatus, tokens: list[TokenLogprob]) -> Iterator[Frame]:
        """The events after the last piece; an answer of nothing has an empty message."""
        self._tokens.add(tokens)
        if self._is_empty:
            message = MessageInTheMaking(*self._place)
            space = Text(self._space)
            yield from self._begin(message)
            if space.text:
                yield self._message_delta(message, space)
        if isinstance(self._open, MessageInTheMaking) and self._is_plain:
            self._open.add_last_logprobs(self._tokens.all())
        yield from self._end_open(status)

    # ------------------------------------------------------------ one piece

    def _add_text(self, piece: Text) -> Iterator[Frame]:
        message = self._open
        if not isinstance(message, MessageInTheMaking):
            if piece.text.isspace() and not (self._is_plain and self._is_empty):
                self._space += piece.text
                return
            text = self._space + piece.text
            piece = Text(text if self._is_empty else text.lstrip())
            message = MessageInTheMaking(*self._place)
            yield from self._begin(message)
        yield self._message_delta(message, piece)

    def _message_delta(self, message: MessageInTheMaking, piece: Text) -> Frame:
        if not self._terms.has_logprobs:
            return message.add(piece.text)
        tokens = self._tokens.all() if self._is_plain else self._tokens.claim(piece)
        return message.add_with_logprobs(piece.text, tokens)

    def _add_reasoning(self, piece: Reasoning) -> Iterator[Frame]:
        self._tokens.claim(piece)
        item = self._open
        if not isinstance(item, ReasoningInTheMaking):
            if piece.text.isspace():
                return
            item = ReasoningInTheMaking(*self._place)
            piece = Reasoning(piece.text.lstrip())
            yield from self._begin(item)
        yield item.add(piece.text)

    def _begin_call(self, piece: CallBegins) -> Iterator[Frame]:
        self._calls += 1
        most = self._terms.most_calls
        if most is None or self._calls <= most:
            yield from self._begin(CallInTheMaking(*self._place, piece))

    def _add_arguments(self, piece: CallArguments) -> Iterator[Frame]:
        self._tokens.claim(piece)
        call = self._open_call(piece.index)
        if call is not None and piece.text:
            yield call.add(piece.text)

    def _end_call(self, piece: CallEnds, *, is_cut: bool) -> Iterator[Frame]:
        call = self._open_call(piece.index)
        if call is None or (is_cut and not call.is_whole):
            return  # if it is the last one, it is incomplete
        yield from self._end_open("completed")

    # ------------------------------------------------------------ the open item

    @property
    def _is_empty(self) -> bool:
        return not self._done and self._open is None

    @property
    def _is_plain(self) -> bool:
        """Whether the answer is nothing but text, as far as can be told."""
        return not self._done and not self._terms.may_call

    @property
    def _place(self) -> tuple[EventNumbers, Terms, int]:
        """What the next item is made of."""
        return self._numbers, self._terms, len(self._done) + (self._open is not None)

    def _open_call(self, index: int) -> CallInTheMaking | None:
        """The open item if it is this call, which one beyond `most_calls` never is."""
        item = self._open
        return item if isinstance(item, CallInTheMaking) and item.call.index == index else None

    def _begin(self, item: ItemInTheMaking) -> Iterator[Frame]:
        yield from self._end_open("completed")
        self._space = ""
        self._open = item
        yield from item.begin()

    def _end_open(self, status: ItemStatus) -> Iterator[Frame]:
        item = self._open
        if item is not None:
            yield from item.end(status)
            self._done.append(item.item(status))
            self._open = None
