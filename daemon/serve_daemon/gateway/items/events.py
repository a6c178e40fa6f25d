"""A completion in the words of the Responses API: its object, and the events of its stream."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec
from falcon.asgi import SSEvent

from serve_daemon.api.errors import ErrorBody
from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.api.response_events import ErrorEvent, ResponseEvent
from serve_daemon.api.response_objects import (
    IncompleteDetails,
    Response,
    ResponseFailure,
    Status,
)
from serve_daemon.api.response_output import ItemStatus
from serve_daemon.api.responses import ResponsesRequest
from serve_daemon.gateway.answers.completion import Completion
from serve_daemon.gateway.common.identifiers import new_id
from serve_daemon.gateway.common.pieces import Piece
from serve_daemon.gateway.http.frames import Frame, encode
from serve_daemon.gateway.items.frames import EventNumbers
from serve_daemon.gateway.items.items import Terms
from serve_daemon.gateway.items.output import OutputInTheMaking, merged
from serve_daemon.gateway.items.response import response_of
from serve_daemon.gateway.items.summaries import SUMMARIES
from serve_daemon.wire.messages import Finish

UNFINISHED: tuple[Status, ...] = ("queued", "in_progress")


class ResponseAnswer:
    """Speaks the events in the order of the specification, and numbers them.

    It needs no HTTP: whoever has the completion's pieces may have it told.
    """

    def __init__(
        self,
        request: ResponsesRequest,
        completion: Completion,
        *,
        response_id: str = "",
        created_at: int = 0,
    ) -> None:
        self.id = response_id or new_id("resp")
        self._request = request
        self._completion = completion
        self._created_at = created_at or int(time.time())
        self._numbers = EventNumbers()
        self._output = OutputInTheMaking(self._numbers, terms_of(request))
        self._status: Status = "in_progress"
        self._completed_at: int | None = None
        self._failure: ResponseFailure | None = None
        self._is_created = False

    @property
    def response(self) -> Response:
        """The object as it is now."""
        has_ended = self._status not in UNFINISHED
        return msgspec.structs.replace(
            response_of(self._request, self._completion, has_usage=has_ended),
            id=self.id,
            created_at=self._created_at,
            completed_at=self._completed_at,
            status=self._status,
            error=self._failure,
            incomplete_details=self._incomplete_details,
            output=self._output.items("incomplete" if has_ended else "in_progress"),
        )

    def queue(self) -> Iterator[SSEvent]:
        """The events of a response whose turn is to come, before those of `begin`."""
        self._status = "queued"
        yield from self._create()
        yield self._event("response.queued")

    def begin(self) -> Iterator[SSEvent]:
        self._status = "in_progress"
        yield from self._create()
        yield self._event("response.in_progress")

    def tell(self, pieces: Sequence[Piece]) -> Iterator[SSEvent]:
        return self._output.tell(pieces, self._new_logprobs(), is_cut=self._is_cut)

    def end(self) -> Iterator[SSEvent]:
        status: Status = "incomplete" if self._is_cut else "completed"
        yield from self._end(status, "incomplete" if self._is_cut else "completed")

    def cancel(self) -> Iterator[SSEvent]:
        """The last events of a response that is not wanted any more.

        The specification has no event of that name, so it is response.incomplete.
        """
        yield from self._end("cancelled", "incomplete")

    def fail(self, error: ErrorBody) -> Iterator[SSEvent]:
        yield from self._create()
        yield self._numbers.frame(
            "error",
            ErrorEvent,
            code=error.code,
            message=error.message,
            param=error.param,
            error=error,
        )
        self._status = "failed"
        self._failure = ResponseFailure(_failure_code(error), error.message)
        yield self._event("response.failed")

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        events = (self.tell(list(merged(pieces))), self.end())
        deque(chain.from_iterable(events), maxlen=0)  # what they tell is in the object
        return encode(self.response)

    # ------------------------------------------------------------ parts

    def _create(self) -> Iterator[Frame]:
        if not self._is_created:
            self._is_created = True
            yield self._event("response.created")

    def _event(self, name: str) -> Frame:
        return self._numbers.frame(name, ResponseEvent, response=self.response)

    def _end(self, status: Status, open_item: ItemStatus) -> Iterator[Frame]:
        yield from self._output.end(open_item, self._new_logprobs())
        self._status = status
        if status == "completed":
            self._completed_at = int(time.time())
        yield self._event("response.completed" if status == "completed" else "response.incomplete")

    @property
    def _is_cut(self) -> bool:
        return self._completion.finish_reason is Finish.LENGTH

    @property
    def _incomplete_details(self) -> IncompleteDetails | None:
        return IncompleteDetails("max_output_tokens") if self._status == "incomplete" else None

    def _new_logprobs(self) -> list[TokenLogprob]:
        return self._completion.take_logprobs() if self._request.logprobs else []


def terms_of(request: ResponsesRequest) -> Terms:
    """What the request wants of its output."""
    return Terms(
        has_logprobs=request.logprobs,
        may_call=bool(request.tools),
        most_calls=request.max_tool_calls,
        is_obfuscated=request.is_obfuscated,
        is_sealed=request.includes_sealed_reasoning,
        summarize=SUMMARIES.get(request.summary or ""),
    )


def _failure_code(error: ErrorBody) -> str:
    """One of the codes that the specification has for a failed response."""
    return "rate_limit_exceeded" if error.code == "rate_limit_exceeded" else "server_error"
