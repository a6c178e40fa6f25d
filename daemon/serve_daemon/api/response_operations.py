"""What can be asked of responses."""

from serve_daemon.api.operation import Operation
from serve_daemon.api.response_events import (
    ArgumentsDeltaEvent,
    ArgumentsDoneEvent,
    ContentPartEvent,
    ErrorEvent,
    OutputItemEvent,
    ReasoningDeltaEvent,
    ReasoningDoneEvent,
    ResponseEvent,
    SummaryDeltaEvent,
    SummaryDoneEvent,
    SummaryPartEvent,
    TextDeltaEvent,
    TextDoneEvent,
)
from serve_daemon.api.response_objects import Compaction, InputTokens, Response
from serve_daemon.api.response_requests import COMPACT, INPUT_TOKENS
from serve_daemon.api.responses import RESPONSES

RESPONSE_EVENTS = (
    ResponseEvent,
    OutputItemEvent,
    ContentPartEvent,
    TextDeltaEvent,
    TextDoneEvent,
    ReasoningDeltaEvent,
    ReasoningDoneEvent,
    SummaryPartEvent,
    SummaryDeltaEvent,
    SummaryDoneEvent,
    ArgumentsDeltaEvent,
    ArgumentsDoneEvent,
    ErrorEvent,
)
RESPONSE_OPERATIONS = (
    Operation(
        method="post",
        path="/v1/responses",
        name="createResponse",
        summary="A response of items, as OpenAI's Responses API and Open Responses have it",
        table=RESPONSES,
        replies=(Response,),
        events=RESPONSE_EVENTS,
        goes_on=("retrieveResponse", "listInputItems", "cancelResponse", "deleteResponse"),
    ),
    Operation(
        method="post",
        path="/v1/responses/input_tokens",
        name="countInputTokens",
        summary="How many tokens the prompt of a response has",
        table=INPUT_TOKENS,
        replies=(InputTokens,),
    ),
    Operation(
        method="post",
        path="/v1/responses/compact",
        name="compactResponse",
        summary="A conversation made short, to go on with",
        table=COMPACT,
        replies=(Compaction,),
    ),
)
