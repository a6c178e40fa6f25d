"""Messages as chat templates see them: plain values, named as Transformers names them.

Not every template takes every conversation. What one refuses is written more plainly, so that a
template that knows neither tools nor instructions, or wants the roles to alternate, answers too.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from serve_daemon.api.messages import ChatMessage, ToolCall
from serve_daemon.api.tools import FunctionTool

Seen = dict[str, Any]

INSTRUCTING = ("system", "developer")
SHORT_ID = 9  # characters of an id, where a template insists on so many
FIRST_CALL = "tool_calls[0]"  # as templates say it that write one call of a message
EACH_CALL = re.compile(r"\bin\s+\w+(\.tool_calls|\[['\"]tool_calls['\"]\])")
INSISTS = ("length 9", "length != 9")  # as those templates say so

TOLD = """\
You can call functions. They are described in JSON between <tools> and </tools>:
<tools>
{tools}
</tools>
For each function that you call, write its name and its arguments, as a JSON object between \
<tool_call> and </tool_call>:
<tool_call>
{{"name": "the name of the function", "arguments": {{"the name of an argument": "its value"}}}}
</tool_call>
What it returned follows between <tool_response> and </tool_response>."""


def ways(
    messages: Sequence[ChatMessage], tools: Sequence[FunctionTool], template: str, *, knows: bool
) -> Iterator[list[Seen]]:
    """The conversation, then the same again ever plainer.

    `knows`: whether the template tells the model of tools; if not, the conversation does.
    """
    said = merged_instructions(messages)
    if knows:
        yield from _with_calls(said, template)
    else:
        yield _seen(in_words(said, tools), template)
    plain = in_words(said, () if knows else tools)
    yield _seen(alternating(plain), template)
    yield _seen(alternating(without_instructions(plain)), template)


def _with_calls(said: Sequence[ChatMessage], template: str) -> Iterator[list[Seen]]:
    """Most templates want the arguments of a call as an object, some as text."""
    if FIRST_CALL in template and not EACH_CALL.search(template):
        said = one_by_one(said)  # it would leave out the others
    yield _seen(said, template)
    if not any(message.tool_calls for message in said):
        return
    if any(len(message.tool_calls) > 1 for message in said):
        yield _seen(one_by_one(said), template)
    yield _seen(without_thoughts(said), template)
    yield _seen(said, template, as_text=True)


def tools_as_seen(tools: Sequence[FunctionTool]) -> list[Seen]:
    return [{"type": "function", "function": _described(tool)} for tool in tools]


def _described(tool: FunctionTool) -> Seen:
    parameters = tool.parameters or {"type": "object", "properties": {}}
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


# ---------------------------------------------------------------- plainer


def merged_instructions(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """With leading instructions made one: most templates take one alone."""
    count = _leading(messages)
    if count < 2:  # noqa: PLR2004 - two make a plural
        return list(messages)
    text = "\n\n".join(message.content for message in messages[:count])
    return [ChatMessage(messages[0].role, text), *messages[count:]]


def in_words(
    messages: Sequence[ChatMessage], tools: Sequence[FunctionTool] = ()
) -> list[ChatMessage]:
    """With tools, calls and their results told in the text of messages."""
    said = [_in_words(message) for message in messages]
    if not tools:
        return said
    listed = "\n".join(json.dumps(each, ensure_ascii=False) for each in tools_as_seen(tools))
    told = TOLD.format(tools=listed)
    if said and said[0].role in INSTRUCTING:
        return [_with_text(said[0], f"{said[0].content}\n\n{told}"), *said[1:]]
    return [ChatMessage("system", told), *said]


def _in_words(message: ChatMessage) -> ChatMessage:
    if message.role == "tool":
        return ChatMessage("user", f"<tool_response>\n{message.content}\n</tool_response>")
    if not message.tool_calls:
        return message
    calls = [f"<tool_call>\n{_call_in_words(call)}\n</tool_call>" for call in message.tool_calls]
    text = "\n".join([message.content, *calls] if message.content else calls)
    return msgspec.structs.replace(message, content=text, tool_calls=[])


def _call_in_words(call: ToolCall) -> str:
    written = {"name": call.name, "arguments": arguments_of(call)}
    return json.dumps(written, ensure_ascii=False)


def one_by_one(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """With one call in each message, and its result after it."""
    results = {each.tool_call_id: each for each in messages if each.role == "tool"}
    split: list[ChatMessage] = []
    told: set[str] = set()
    for message in messages:
        if len(message.tool_calls) < 2:  # noqa: PLR2004 - two make a plural
            if message.tool_call_id not in told or message.role != "tool":
                split.append(message)
            continue
        for index, call in enumerate(message.tool_calls):
            before = ChatMessage(message.role, "") if index else message
            split.append(msgspec.structs.replace(before, tool_calls=[call]))
            if call.call_id in results:
                split.append(results[call.call_id])
                told.add(call.call_id)
    return split


def without_thoughts(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Where a call has a text before it, in which thoughts may stand as well."""
    return [
        msgspec.structs.replace(message, reasoning="")
        if message.tool_calls and message.content
        else message
        for message in messages
    ]


def alternating(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """With what one role says in a row made one message."""
    rows = [list(row) for _, row in groupby(messages, key=lambda message: message.role)]
    return [
        _with_text(row[0], "\n\n".join(message.content for message in row))
        if len(row) > 1
        else row[0]
        for row in rows
    ]


def without_instructions(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """With instructions as the beginning of what the user says."""
    return [
        msgspec.structs.replace(message, role="user") if message.role in INSTRUCTING else message
        for message in messages
    ]


def _with_text(message: ChatMessage, text: str) -> ChatMessage:
    return msgspec.structs.replace(message, content=text)


def _leading(messages: Sequence[ChatMessage]) -> int:
    count = 0
    while count < len(messages) and messages[count].role in INSTRUCTING:
        count += 1
    return count


# ---------------------------------------------------------------- as plain values


def _seen(messages: Sequence[ChatMessage], template: str, *, as_text: bool = False) -> list[Seen]:
    names = {call.call_id: call.name for each in messages for call in each.tool_calls}
    seen = [_message(message, template, names) for message in messages]
    if as_text:
        for call in (call for each in seen for call in each.get("tool_calls", [])):
            call["function"]["arguments"] = _text_of(call["function"]["arguments"])
    return seen


def _text_of(arguments: Any) -> str:
    is_text = isinstance(arguments, str)
    return str(arguments) if is_text else json.dumps(arguments, ensure_ascii=False)


def _message(message: ChatMessage, template: str, names: dict[str, str]) -> Seen:
    knows_role = message.role != "developer" or "developer" in template
    seen: Seen = {"role": message.role if knows_role else "system", "content": message.content}
    if name := message.name or names.get(message.tool_call_id, ""):
        seen["name"] = name
    if message.reasoning:
        seen["reasoning_content"] = message.reasoning
    if message.tool_calls:
        seen["tool_calls"] = [_call(call, template) for call in message.tool_calls]
    if message.tool_call_id:
        seen["tool_call_id"] = _call_id(message.tool_call_id, template)
    return seen


def _call(call: ToolCall, template: str) -> Seen:
    function = {"name": call.name, "arguments": arguments_of(call)}
    return {"id": _call_id(call.call_id, template), "type": "function", "function": function}


def arguments_of(call: ToolCall) -> Any:
    """An object, since most templates write the JSON themselves; the text if it is no JSON."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        return call.arguments
    return arguments if isinstance(arguments, dict) else call.arguments


def _call_id(call_id: str, template: str) -> str:
    if len(call_id) == SHORT_ID or not any(words in template for words in INSISTS):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:SHORT_ID]
