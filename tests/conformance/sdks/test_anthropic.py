"""Anthropic's SDK."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from conformance.sdks.asked import QUESTION, WEATHER_PARAMETERS

TOOL = {"name": "get_weather", "description": "Weather.", "input_schema": WEATHER_PARAMETERS}
USER = [{"role": "user", "content": QUESTION}]
GREEDY = {"temperature": 0}  # a field that the SDK leaves to `extra_body`


@pytest.fixture
def client(root: str, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=root, api_key=key, max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def test_message(client: Any, model: str) -> None:
    """An answer to a question with a system prompt."""
    reply = client.messages.create(
        model=model, system="Be brief.", messages=USER, max_tokens=24, extra_body=GREEDY
    )
    assert "Paris" in reply.content[0].text
    assert reply.usage.output_tokens > 0


def test_stream(client: Any, model: str) -> None:
    """The text of the events is the text of the message at the end."""
    with client.messages.stream(
        model=model, messages=USER, max_tokens=24, extra_body=GREEDY
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert message.content[0].text == text
    assert message.stop_reason in ("end_turn", "max_tokens")


def test_calls(client: Any, model: str) -> None:
    """A call in a stream, and its result in the next turn."""
    with client.messages.stream(
        model=model, messages=USER, tools=[TOOL], tool_choice={"type": "any"}, max_tokens=128
    ) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    call = next(block for block in message.content if block.type == "tool_use")
    assert set(call.input) == {"city", "unit"}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "12 degrees"}
    again = client.messages.create(
        model=model,
        messages=[
            *USER,
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ],
        tools=[TOOL],
        tool_choice={"type": "none"},
        max_tokens=16,
    )
    assert again.content[0].type == "text"


def test_stop_sequences(client: Any, model: str) -> None:
    """The one that ended the answer is told."""
    reply = client.messages.create(
        model=model, messages=USER, max_tokens=24, extra_body=GREEDY, stop_sequences=["Par"]
    )
    assert (reply.stop_reason, reply.stop_sequence) == ("stop_sequence", "Par")


def test_count(client: Any, model: str) -> None:
    """As many tokens as the same request's usage has."""
    counted = client.messages.count_tokens(model=model, messages=USER)
    reply = client.messages.create(model=model, messages=USER, max_tokens=1)
    usage = reply.usage  # which tells apart what was computed before
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_errors(client: Any, model: str) -> None:
    """Each status as the exception that stands for it."""
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nobody", messages=USER, max_tokens=1)
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model=model, messages=USER, max_tokens=0)
    with pytest.raises(anthropic.AuthenticationError):
        client.with_options(api_key="wrong").messages.create(
            model=model, messages=USER, max_tokens=1
        )
