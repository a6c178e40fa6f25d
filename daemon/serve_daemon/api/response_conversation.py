"""From the items of a response's input to the messages of a conversation."""

from collections.abc import Iterable
from typing import Any

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.messages import ChatMessage, ToolCall
from serve_daemon.api.response_items import InputItem, input_item
from serve_daemon.api.sealed import SealedConversation, SealedReasoning, opened

SUMMARY = "What was said before, in short:\n"


def conversation(items: Iterable[InputItem]) -> list[ChatMessage]:
    """The messages that the items make: what the model did in one turn is one message.

    Raises `InvalidRequest` for an output of a call that is not among the items, for a reference,
    and for content that another server has encrypted.
    """
    reading = _Reading()
    for item in items:
        reading.add(item)
    reading.end_turn()
    return reading.messages


class _Reading:
    """Collects the model's turn until somebody else speaks."""

    def __init__(self) -> None:
        self.messages: list[ChatMessage] = []
        self._names: dict[str, str] = {}  # of the functions called, by the ids of the calls
        self._begin_turn()
        self._by_kind = {
            "message": self._message,
            "reasoning": self._reasoning,
            "function_call": self._function_call,
            "function_call_output": self._function_call_output,
            "compaction": self._compaction,
            "item_reference": self._item_reference,
        }

    def add(self, item: InputItem) -> None:
        self._by_kind[item.kind](item.attributes, item.path)

    def _begin_turn(self) -> None:
        self._thoughts: list[str] = []
        self._texts: list[str] = []
        self._calls: list[ToolCall] = []

    def end_turn(self) -> None:
        if self._thoughts or self._texts or self._calls:
            turn = ChatMessage(
                "assistant",
                "\n\n".join(self._texts),
                reasoning="\n".join(self._thoughts),
                tool_calls=self._calls,
            )
            self.messages.append(turn)
        self._begin_turn()

    # ------------------------------------------------------------ one item

    def _message(self, attributes: dict[str, Any], _path: str) -> None:
        role, content = attributes["role"], attributes["content"]
        if role != "assistant":
            self.end_turn()
            self.messages.append(ChatMessage(role, content))
            return
        if self._calls:  # a template writes calls after the text of their message
            self.end_turn()
        self._texts.append(content)

    def _reasoning(self, attributes: dict[str, Any], path: str) -> None:
        if self._texts and not self._calls:
            self.end_turn()
        thought = attributes.get("content", "")
        if not thought and (encrypted := attributes.get("encrypted_content")):
            thought = opened(encrypted, f"{path}.encrypted_content", SealedReasoning).text
        if thought := thought or attributes.get("summary", ""):
            self._thoughts.append(thought)

    def _function_call(self, attributes: dict[str, Any], _path: str) -> None:
        call = ToolCall(**attributes)
        self._names[call.call_id] = call.name
        self._calls.append(call)

    def _function_call_output(self, attributes: dict[str, Any], path: str) -> None:
        self.end_turn()
        call_id = attributes["call_id"]
        if call_id not in self._names:
            message = f"No tool call found for function call output with call_id {call_id:.80}."
            raise InvalidRequest(message, f"{path}.call_id", "invalid_value")
        name = self._names[call_id]
        self.messages.append(ChatMessage("tool", attributes["output"], name, tool_call_id=call_id))

    def _compaction(self, attributes: dict[str, Any], path: str) -> None:
        where = f"{path}.encrypted_content"
        content = opened(attributes["encrypted_content"], where, SealedConversation)
        self.end_turn()
        if content.summary:
            self.messages.append(ChatMessage("system", SUMMARY + content.summary))
        for index, item in enumerate(content.items):
            self.add(input_item(item, f"{where}[{index}]"))

    def _item_reference(self, attributes: dict[str, Any], path: str) -> None:
        message = f"Item with id '{attributes['id']}' not found: nothing is kept of this request."
        raise InvalidRequest(message, f"{path}.id", "item_not_found")
