"""OpenAI's SDK, as it comes and with strict validation of every reply."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from conformance.sdks.asked import QUESTION, WEATHER_PARAMETERS, Place

FUNCTION = {"name": "get_weather", "description": "Weather now.", "parameters": WEATHER_PARAMETERS}
CHAT_TOOL = {"type": "function", "function": FUNCTION | {"strict": True}}
RESPONSES_TOOL = {"type": "function", "strict": True} | FUNCTION
USER = [{"role": "user", "content": QUESTION}]


@pytest.fixture(params=[False, True], ids=["lenient", "strict"])
def client(request: pytest.FixtureRequest, url: str, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=url, api_key=key, max_retries=0, _strict_response_validation=request.param
    ) as client:
        yield client


def test_chat(client: Any, model: str) -> None:
    """An answer, with its usage and log-probabilities."""
    reply = client.chat.completions.create(
        model=model, messages=USER, temperature=0, max_tokens=16, logprobs=True, top_logprobs=2
    )
    (choice,) = reply.choices
    assert "Paris" in choice.message.content
    assert len(choice.logprobs.content[0].top_logprobs) == 2
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_chat_stream(client: Any, model: str) -> None:
    """A stream says what the whole answer says, and its usage at the end."""
    settings = {"model": model, "messages": USER, "temperature": 0, "max_tokens": 16}
    chunks = list(
        client.chat.completions.create(
            **settings, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == client.chat.completions.create(**settings).choices[0].message.content
    assert chunks[-1].usage.completion_tokens > 0


def test_chat_choices(client: Any, model: str) -> None:
    """Several answers to one question."""
    reply = client.chat.completions.create(
        model=model, messages=USER, n=3, seed=7, max_tokens=8, temperature=1
    )
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in reply.choices}) > 1


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_chat_calls(client: Any, model: str, choice: object) -> None:
    """A call whose arguments fit, and the turn after it."""
    reply = client.chat.completions.create(
        model=model, messages=USER, tools=[CHAT_TOOL], tool_choice=choice, max_tokens=128
    )
    assert reply.choices[0].finish_reason == "tool_calls"
    message = reply.choices[0].message
    call = message.tool_calls[0]
    assert set(json.loads(call.function.arguments)) == {"city", "unit"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
    again = client.chat.completions.create(
        model=model, messages=[*USER, message, result], tools=[CHAT_TOOL], max_tokens=16
    )
    assert again.choices[0].finish_reason in ("stop", "length", "tool_calls")


def test_chat_calls_in_a_stream(client: Any, model: str) -> None:
    """The SDK puts the parts of the arguments together."""
    with client.chat.completions.stream(
        model=model, messages=USER, tools=[CHAT_TOOL], tool_choice="required", max_tokens=128
    ) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    assert done[0].name == "get_weather"
    assert done[0].parsed_arguments["city"] in ("Paris", "Rome", "Lima")


def test_chat_in_a_form(client: Any, model: str) -> None:
    """An answer as an object of a class."""
    reply = client.chat.completions.parse(
        model=model, messages=USER, response_format=Place, max_tokens=400, temperature=0
    )
    assert isinstance(reply.choices[0].message.parsed, Place)


def test_completions(client: Any, model: str) -> None:
    """Text that goes on, for two prompts."""
    reply = client.completions.create(
        model=model,
        prompt=["The capital of France is", "One, two, three,"],
        max_tokens=4,
        echo=True,
    )
    assert [choice.text[:12] for choice in reply.choices] == ["The capital ", "One, two, th"]


def test_responses(client: Any, model: str) -> None:
    """An answer, stored, taken up by the next, and deleted."""
    first = client.responses.create(
        model=model, input=QUESTION, temperature=0, max_output_tokens=32
    )
    assert "Paris" in first.output_text
    assert client.responses.retrieve(first.id).output_text == first.output_text
    assert client.responses.input_items.list(first.id).data[0].role == "user"
    second = client.responses.create(
        model=model, input="And of Italy?", previous_response_id=first.id, max_output_tokens=16
    )
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_responses_stream(client: Any, model: str) -> None:
    """The SDK builds from the events what the last of them tells."""
    with client.responses.stream(
        model=model, input=QUESTION, temperature=0, max_output_tokens=64
    ) as stream:
        events = list(stream)
        response = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert deltas == response.output_text


def test_responses_calls(client: Any, model: str) -> None:
    """A call in a stream, and its result in the next turn."""
    with client.responses.stream(
        model=model,
        input=QUESTION,
        tools=[RESPONSES_TOOL],
        tool_choice="required",
        max_output_tokens=128,
    ) as stream:
        response = stream.get_final_response()
    (call,) = [item for item in response.output if item.type == "function_call"][:1]
    assert set(json.loads(call.arguments)) == {"city", "unit"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
    again = client.responses.create(
        model=model,
        input=[result],
        previous_response_id=response.id,
        tools=[RESPONSES_TOOL],
        tool_choice="none",
        max_output_tokens=16,
    )
    assert again.output[0].type == "message"


def test_responses_in_a_form(client: Any, model: str) -> None:
    """An answer as an object of a class."""
    response = client.responses.parse(
        model=model, input=QUESTION, text_format=Place, max_output_tokens=400, temperature=0
    )
    assert isinstance(response.output_parsed, Place)


def test_responses_in_the_background(client: Any, model: str) -> None:
    """A stream that is left, and taken up where it was."""
    stream = client.responses.create(
        model=model, input=QUESTION, background=True, stream=True, max_output_tokens=40
    )
    seen = []
    for event in stream:
        seen.append(event)
        if len(seen) == 5:
            break
    stream.close()
    identity = seen[0].response.id
    rest = list(
        client.responses.retrieve(identity, stream=True, starting_after=seen[-1].sequence_number)
    )
    numbers = [event.sequence_number for event in [*seen, *rest]]
    assert numbers == list(range(len(numbers)))
    assert rest[-1].type in ("response.completed", "response.incomplete")


def test_embeddings(client: Any, embedding_model: str) -> None:
    """As numbers."""
    reply = client.embeddings.create(
        model=embedding_model, input=["one", "two"], encoding_format="float"
    )
    assert [len(each.embedding) for each in reply.data] == [384, 384]


def test_embeddings_in_base64(url: str, key: str, embedding_model: str) -> None:
    """As the SDK asks by itself, which its strict validation takes for a fault."""
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        packed = client.embeddings.create(model=embedding_model, input="one")
        plain = client.embeddings.create(
            model=embedding_model, input="one", encoding_format="float"
        )
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-5)


def test_models(client: Any, model: str) -> None:
    """The list, and one."""
    assert model in [each.id for each in client.models.list()]
    assert client.models.retrieve(model).id == model


def test_errors(client: Any, model: str) -> None:
    """Each status as the exception that stands for it."""
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nobody", input="x")
    with pytest.raises(openai.BadRequestError) as bad:
        client.responses.create(model=model, input="x", temperature=3)
    assert bad.value.param == "temperature"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()
