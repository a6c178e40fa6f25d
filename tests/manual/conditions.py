"""What some fields need beside them that no table says, and what is said where it can't be had."""

import re
from collections.abc import Callable
from typing import Any

from manual.entries import Entry

Body = dict[str, Any]

FUNCTION = {"name": "x"}
HELLO = [{"role": "user", "content": "x"}]
CALLED = {"type": "function_call", "call_id": "x", "name": "x", "arguments": "{}"}
NAMED_LOGPROBS = "message.output_text.logprobs"


def beside(**fields: Any) -> Callable[[Body], Body]:
    """The field, with these beside it where the body has none of their names."""
    return lambda body: {**fields, **body}


def _after_a_call(body: Body) -> Body:
    return {**body, "input": [CALLED, *body["input"]]}


def _with_content(body: Body) -> Body:
    return {**body, "messages": [{"content": "x", **each} for each in body["messages"]]}


def _constrained(body: Body) -> Body:
    return {**body, "structured_outputs": {"regex": "x", **body["structured_outputs"]}}


# By the beginning of "OPERATION FIELD".
NEEDS: tuple[tuple[str, Callable[[Body], Body]], ...] = (
    (r"/v1/responses/(compact|input_tokens) (?!input)", beside(input="x")),
    (r"/v1/responses\S* tool_choice", beside(tools=[{"type": "function", **FUNCTION}])),
    (r"/v1/responses\S* top_logprobs", beside(include=[NAMED_LOGPROBS])),
    (r"/v1/responses\S* input\[\]\[type=function_call_output\]", _after_a_call),
    (
        r"/v1/chat/completions tool_choice",
        beside(tools=[{"type": "function", "function": FUNCTION}]),
    ),
    (r"/v1/chat/completions top_logprobs", beside(logprobs=True)),
    (r"/v1/chat/completions function_call", beside(functions=[FUNCTION])),
    (r"/\S+ stream_options", beside(stream=True)),
    (r"/\S+ structured_outputs(?!\.(json|regex|choice|grammar)$)", _constrained),
    (r"/\S+ messages\[\]\[role=assistant\]\.(?!content|tool_calls|type)\w+$", _with_content),
    (r"/v1/messages\S* tool_choice", beside(tools=[{**FUNCTION, "input_schema": {}}])),
    (r"/tokenize (model|prompt|add_special|return|chat_template$|mm_)", beside(prompt="x")),
    (r"/tokenize ", lambda body: body if "prompt" in body else {"messages": HELLO, **body}),
)

# Values that are better than any other of their schema.
VALUES = {"guided_grammar": 'start: "x"', "structured_outputs.grammar": 'start: "x"'}

# What depends on the model, or on what is kept: the message where it is not so.
CONDITIONS: tuple[tuple[str, str], ...] = (
    (r".*effort$", "it does not reason"),
    (r"/v1/messages\S* thinking", "it does not reason"),
    (r".*(encrypted_content$|\[type=compaction\])", "this server did not write it"),
    (r".*previous_response_id$", "x"),
    (r".*(item_reference|input\[\]\.)", "x"),
)


def completed(entry: Entry, value: Any) -> Body:
    """A body that should be accepted, with `value` in the field's place, but for the model."""
    body: Body = entry.filled(value)
    for pattern, complete in NEEDS:
        if re.match(pattern, _name(entry)):
            body = complete(body)
    if "budget_tokens" in str(body):
        body = {**body, "max_tokens": 2000} if "max_tokens" in body else body
    return body


def condition(entry: Entry) -> str | None:
    """A part of what is said where the field's value can't be had from this model, or server."""
    name = _name(entry)
    return next((said for pattern, said in CONDITIONS if re.match(pattern, name)), None)


def _name(entry: Entry) -> str:
    return f"{entry.operation.path} {entry.path}"
