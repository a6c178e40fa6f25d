"""The items of a response's output in the making: each tells its events, from added to done."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, Struct

from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.api.response_events import (
    ArgumentsDeltaEvent,
    ArgumentsDoneEvent,
    ContentPartEvent,
    OutputItemEvent,
    ReasoningDeltaEvent,
    ReasoningDoneEvent,
    SummaryDeltaEvent,
    SummaryDoneEvent,
    SummaryPartEvent,
    TextDeltaEvent,
    TextDoneEvent,
)
from serve_daemon.api.response_output import (
    FunctionCall,
    ItemStatus,
    OutputItem,
    OutputMessage,
    OutputText,
    Part,
    ReasoningItem,
    ReasoningText,
    SummaryText,
)
from serve_daemon.api.sealed import SealedReasoning, sealed
from serve_daemon.gateway.common.identifiers import new_id
from serve_daemon.gateway.common.pieces import CallBegins
from serve_daemon.gateway.http.frames import Frame
from serve_daemon.gateway.items.frames import Deltas, EventNumbers
from serve_daemon.gateway.items.summaries import Summarize


class Terms(Struct, frozen=True):
    """What a request wants of its output."""

    has_logprobs: bool = False
    may_call: bool = False  # tools are offered
    most_calls: int | None = None
    is_obfuscated: bool = False
    is_sealed: bool = False  # reasoning has `encrypted_content`
    summarize: Summarize | None = None


class ItemInTheMaking:
    """What all items share; `index`: where it stands in the output."""

    prefix: ClassVar[str]  # of its id
    delta_event: ClassVar[Callable[..., Any]]

    def __init__(self, numbers: EventNumbers, terms: Terms, index: int) -> None:
        self.id = new_id(self.prefix)
        self._numbers = numbers
        self._terms = terms
        self._index = index
        self._texts: list[str] = []
        self._where: dict[str, Any] = {"item_id": self.id, "output_index": index}
        self._deltas = Deltas(
            numbers, type(self).delta_event, obfuscated=terms.is_obfuscated, **self._where
        )

    @property
    def text(self) -> str:
        """What has come of it so far."""
        return "".join(self._texts)

    def item(self, status: ItemStatus) -> OutputItem:
        """The item as it is now."""
        raise NotImplementedError

    def begin(self) -> Iterator[Frame]:
        yield self._item_event("response.output_item.added", "in_progress")

    def add(self, text: str) -> Frame:
        self._texts.append(text)
        return self._deltas.frame(text)

    def end(self, status: ItemStatus) -> Iterator[Frame]:
        yield from self.close()
        yield self._item_event("response.output_item.done", status)

    def close(self) -> Iterator[Frame]:
        """The events that close what is in the item."""
        raise NotImplementedError

    def _item_event(self, name: str, status: ItemStatus) -> Frame:
        fields = {"item": self.item(status), "output_index": self._index}
        return self._numbers.frame(name, OutputItemEvent, **fields)

    def _event(self, name: str, kind: Callable[..., object], /, **fields: Any) -> Frame:
        return self._numbers.frame(name, kind, **self._where, **fields)


class ContentInTheMaking(ItemInTheMaking):
    """An item whose text is its one part."""

    done_event: ClassVar[tuple[str, Callable[..., object]]]
    _has_part = False

    def part(self) -> Part:
        raise NotImplementedError

    def begin(self) -> Iterator[Frame]:
        yield from super().begin()
        self._has_part = True
        yield self._event("response.content_part.added", ContentPartEvent, part=self.part())

    def close(self) -> Iterator[Frame]:
        name, kind = self.done_event
        yield self._event(name, kind, text=self.text, **self._done_fields())
        yield self._event("response.content_part.done", ContentPartEvent, part=self.part())

    def _done_fields(self) -> dict[str, Any]:
        return {}


class MessageInTheMaking(ContentInTheMaking):
    prefix = "msg"
    delta_event = TextDeltaEvent
    done_event = ("response.output_text.done", TextDoneEvent)

    def __init__(self, numbers: EventNumbers, terms: Terms, index: int) -> None:
        super().__init__(numbers, terms, index)
        self._logprobs: list[TokenLogprob] = []

    def add_with_logprobs(self, text: str, logprobs: list[TokenLogprob]) -> Frame:
        self._texts.append(text)
        self._logprobs += logprobs
        return self._deltas.frame(text, logprobs=logprobs)

    def add_last_logprobs(self, logprobs: list[TokenLogprob]) -> None:
        """Of tokens that came without any text."""
        self._logprobs += logprobs

    def part(self) -> OutputText:
        return OutputText(text=self.text, logprobs=self._logprobs)

    def item(self, status: ItemStatus) -> OutputMessage:
        content = [self.part()] if self._has_part else []
        return OutputMessage(id=self.id, status=status, content=content)

    def _done_fields(self) -> dict[str, Any]:
        return {"logprobs": self._logprobs}


class ReasoningInTheMaking(ContentInTheMaking):
    prefix = "rs"
    delta_event = ReasoningDeltaEvent
    done_event = ("response.reasoning_text.done", ReasoningDoneEvent)
    _summary: SummaryText | None = None

    def part(self) -> ReasoningText:
        return ReasoningText(text=self.text)

    def item(self, status: ItemStatus) -> ReasoningItem:
        return ReasoningItem(
            id=self.id,
            status=status,
            summary=[self._summary] if self._summary else [],
            content=[self.part()] if self._has_part else [],
            encrypted_content=self._sealed() if self._is_to_be_sealed(status) else UNSET,
        )

    def close(self) -> Iterator[Frame]:
        yield from super().close()
        if self._terms.summarize is not None and (text := self._terms.summarize(self.text)):
            yield from self._summarize(text)

    def _summarize(self, text: str) -> Iterator[Frame]:
        part, empty = SummaryText(text=text), SummaryText(text="")
        deltas = Deltas(
            self._numbers,
            SummaryDeltaEvent,
            obfuscated=self._terms.is_obfuscated,
            **self._where,
        )
        yield self._event("response.reasoning_summary_part.added", SummaryPartEvent, part=empty)
        yield deltas.frame(text)
        yield self._event("response.reasoning_summary_text.done", SummaryDoneEvent, text=text)
        self._summary = part
        yield self._event("response.reasoning_summary_part.done", SummaryPartEvent, part=part)

    def _is_to_be_sealed(self, status: ItemStatus) -> bool:
        return self._terms.is_sealed and status != "in_progress"

    def _sealed(self) -> str:
        return sealed(SealedReasoning(self.text))


class CallInTheMaking(ItemInTheMaking):
    """A call of a function; its text: the arguments."""

    prefix = "fc"
    delta_event = ArgumentsDeltaEvent

    def __init__(self, numbers: EventNumbers, terms: Terms, index: int, call: CallBegins) -> None:
        super().__init__(numbers, terms, index)
        self.call = call

    def item(self, status: ItemStatus) -> FunctionCall:
        return FunctionCall(
            id=self.id,
            status=status,
            call_id=self.call.call_id,
            name=self.call.name,
            arguments=self.text,
        )

    def close(self) -> Iterator[Frame]:
        name = "response.function_call_arguments.done"
        yield self._event(name, ArgumentsDoneEvent, name=self.call.name, arguments=self.text)

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are JSON, and not a part of it."""
        try:
            msgspec.json.decode(self.text)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True
