"""The rules that every stream of a response keeps, checked event by event."""

from collections.abc import Iterator, Sequence
from typing import Any

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

Event = dict[str, Any]

STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
END = "end"
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}
ITEM = {"response.output_item.added"}
# What may follow what; of item.added by the type of the item.
FOLLOWERS: dict[str, set[str]] = {
    "": {"response.created"},
    "response.created": {"response.queued", "response.in_progress", "error"},
    "response.queued": {"response.in_progress", "error"},
    "response.in_progress": ITEM | {"error"},
    "added message": {"response.content_part.added"},
    "added reasoning": {"response.content_part.added"},
    "added function_call": {
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "error",
    },
    "response.content_part.added": {
        "response.output_text.delta",
        "response.output_text.done",
        "response.reasoning_text.delta",
    },
    "response.output_text.delta": {
        "response.output_text.delta",
        "response.output_text.done",
        "error",
    },
    "response.output_text.done": {"response.content_part.done"},
    "response.reasoning_text.delta": {
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "error",
    },
    "response.reasoning_text.done": {"response.content_part.done"},
    "response.content_part.done": {
        "response.output_item.done",
        "response.reasoning_summary_part.added",
    },
    "response.reasoning_summary_part.added": {"response.reasoning_summary_text.delta"},
    "response.reasoning_summary_text.delta": {"response.reasoning_summary_text.done"},
    "response.reasoning_summary_text.done": {"response.reasoning_summary_part.done"},
    "response.reasoning_summary_part.done": {"response.output_item.done"},
    "response.function_call_arguments.delta": {
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "error",
    },
    "response.function_call_arguments.done": {"response.output_item.done"},
    "response.output_item.done": ITEM | TERMINAL | {"error"},
    "error": {"response.failed"},
    **{name: {END} for name in TERMINAL},
}


def check_stream(events: Sequence[Event]) -> dict[str, Any]:
    """The response at the end; `AssertionError` where the stream breaks a rule."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    _check_order(events)
    for event in events:
        STREAM_EVENT.validate_python(event, strict=True)
    response: dict[str, Any] = events[-1]["response"]
    Response.model_validate(response, strict=True)
    assert {event["response"]["id"] for event in events if "response" in event} == {response["id"]}
    if response["status"] != "failed":
        assert list(_items(events)) == response["output"]
    return response


def _check_order(events: Sequence[Event]) -> None:
    before = ""
    for event in events:
        assert event["type"] in FOLLOWERS[before], f"{event['type']} after {before!r}"
        before = event["type"]
        if before == "response.output_item.added":
            before = f"added {event['item']['type']}"
    assert END in FOLLOWERS[before], f"the stream ends with {before!r}"


def _items(events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """The items as the events tell them; their deltas make what is done."""
    added: dict[str, Any] = {}
    deltas: dict[str, str] = {}
    index = -1
    for event in events:
        if event["type"] == "response.output_item.added":
            added, deltas, index = event["item"], {}, index + 1
            assert added.get("status") == "in_progress"
        if "output_index" in event:
            assert event["output_index"] == index
            assert event.get("item_id", added["id"]) == added["id"]
        kind, _, what = event["type"].rpartition(".")
        if what == "delta":
            deltas[kind] = deltas.get(kind, "") + event["delta"]
        elif what == "done" and ("text" in event or "arguments" in event):
            text = event.get("text", event.get("arguments"))
            assert deltas.get(kind, "") == text
        elif event["type"] == "response.output_item.done":
            assert event["item"]["id"] == added["id"]
            yield event["item"]
