"""A completion in the words of the Responses API: its object, and the events of its stream."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from falcon.asgi import SSEvent

from serve_daemon.api.errors import ErrorBody
from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.api.response_objects import (
    ContentPartEvent,
    ErrorEvent,
    IncompleteDetails,
    InputTokensDetails,
    ItemStatus,
    OutputItemEvent,
    OutputMessage,
    OutputText,
    OutputTokensDetails,
    Response,
    ResponseEvent,
    ResponseFailure,
    ResponseUsage,
    Status,
    TextDeltaEvent,
    TextDoneEvent,
)
from serve_daemon.api.responses import ResponsesRequest
from serve_daemon.gateway.completion import Completion
from serve_daemon.gateway.frames import PLACE, Frame, encode, named, split_at_place
from serve_daemon.gateway.pieces import Piece, Text
from serve_daemon.wire.messages import Finish

NUMBER_AT_END = b"0}\n\n"  # of an event whose sequence_number is 0, its last field


class ResponseAnswer:
    """Speaks the events in the order of the specification, and numbers them."""

    def __init__(self, request: ResponsesRequest, completion: Completion) -> None:
        self._request = request
        self._completion = completion
        self._id = f"resp_{uuid.uuid4().hex}"
        self._item_id = f"msg_{uuid.uuid4().hex}"
        self._created_at = int(time.time())
        self._number = 0
        self._has_begun = False
        self._text: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        template = TextDeltaEvent(item_id=self._item_id, delta=PLACE, sequence_number=0)
        self._before, after = split_at_place(named(template.type, template))
        self._between = after.removesuffix(NUMBER_AT_END)

    def begin(self) -> Iterator[SSEvent]:
        self._has_begun = True
        yield self._response("response.created", self._object("in_progress"))
        yield self._response("response.in_progress", self._object("in_progress"))
        item = OutputMessage(id=self._item_id, status="in_progress", content=[])
        yield self._event("response.output_item.added", OutputItemEvent, item=item)
        yield self._part("response.content_part.added", "")

    def tell(self, pieces: Sequence[Piece]) -> Iterator[SSEvent]:
        for piece in pieces:
            if isinstance(piece, Text):
                yield self._delta(piece.text)

    def _delta(self, text: str) -> SSEvent:
        self._text.append(text)
        if self._request.logprobs:
            return self._delta_with_logprobs(text)
        number = str(self._next_number()).encode()
        return Frame(b"%b%b%b%b}\n\n" % (self._before, encode(text), self._between, number))

    def _delta_with_logprobs(self, text: str) -> SSEvent:
        new = self._completion.take_logprobs()
        self._logprobs += new
        name = "response.output_text.delta"
        return self._event(name, TextDeltaEvent, item_id=self._item_id, delta=text, logprobs=new)

    def end(self) -> Iterator[SSEvent]:
        text = "".join(self._text)
        self._logprobs += self._completion.take_logprobs()
        fields = {"item_id": self._item_id, "text": text, "logprobs": self._logprobs}
        yield self._event("response.output_text.done", TextDoneEvent, **fields)
        yield self._part("response.content_part.done", text)
        item = self._message(text)
        yield self._event("response.output_item.done", OutputItemEvent, item=item)
        yield self._response(f"response.{self._status}", self._finished(text))

    def fail(self, error: ErrorBody) -> Iterator[SSEvent]:
        yield self._event(
            "error", ErrorEvent, code=error.code, message=error.message, param=error.param
        )
        if self._has_begun:
            failure = ResponseFailure(_failure_code(error), error.message)
            output = [self._message("".join(self._text), "incomplete")]
            failed = self._object("failed", output=output, error=failure, usage=self._usage)
            yield self._response("response.failed", failed)

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        text = "".join(piece.text for piece in pieces if isinstance(piece, Text))
        self._logprobs = self._completion.take_logprobs()
        return encode(self._finished(text))

    # ------------------------------------------------------------ events

    def _next_number(self) -> int:
        number = self._number
        self._number += 1
        return number

    def _event(self, name: str, kind: Callable[..., object], **fields: Any) -> Frame:
        event = kind(type=name, sequence_number=self._next_number(), **fields)
        return named(name, event)

    def _response(self, name: str, response: Response) -> Frame:
        return self._event(name, ResponseEvent, response=response)

    def _part(self, name: str, text: str) -> Frame:
        part = OutputText(text=text, logprobs=self._logprobs)
        return self._event(name, ContentPartEvent, item_id=self._item_id, part=part)

    # ------------------------------------------------------------ the response object

    @property
    def _is_cut(self) -> bool:
        return self._completion.finish_reason is Finish.LENGTH

    @property
    def _status(self) -> Status:
        return "incomplete" if self._is_cut else "completed"

    def _message(self, text: str, status: ItemStatus | None = None) -> OutputMessage:
        ended: ItemStatus = "incomplete" if self._is_cut else "completed"
        content = [OutputText(text=text, logprobs=self._logprobs)]
        return OutputMessage(id=self._item_id, status=status or ended, content=content)

    def _finished(self, text: str) -> Response:
        return self._object(
            self._status,
            output=[self._message(text)],
            usage=self._usage,
            completed_at=None if self._is_cut else int(time.time()),
            incomplete_details=IncompleteDetails("max_output_tokens") if self._is_cut else None,
        )

    def _object(
        self, status: Status, *, output: list[OutputMessage] | None = None, **fields: Any
    ) -> Response:
        request, sampling = self._request, self._completion.sampling
        return Response(
            id=self._id,
            created_at=self._created_at,
            status=status,
            model=request.model,
            output=output or [],
            instructions=request.instructions,
            max_output_tokens=request.max_tokens,
            max_tool_calls=request.max_tool_calls,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_logprobs=request.top_logprobs,
            presence_penalty=request.presence_penalty,
            frequency_penalty=request.frequency_penalty,
            metadata=request.metadata,
            user=request.user,
            safety_identifier=request.safety_identifier,
            prompt_cache_key=request.prompt_cache_key,
            parallel_tool_calls=request.parallel_tool_calls,
            tool_choice=request.tool_choice.mode,
            **fields,
        )

    @property
    def _usage(self) -> ResponseUsage:
        completion = self._completion
        return ResponseUsage(
            input_tokens=completion.prompt_tokens,
            input_tokens_details=InputTokensDetails(completion.cached_tokens),
            output_tokens=completion.completion_tokens,
            output_tokens_details=OutputTokensDetails(),
            total_tokens=completion.prompt_tokens + completion.completion_tokens,
        )


def _failure_code(error: ErrorBody) -> str:
    """One of the codes that the specification has for a failed response."""
    return "rate_limit_exceeded" if error.code == "rate_limit_exceeded" else "server_error"
