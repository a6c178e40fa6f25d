"""OpenAI's own client, which validates strictly, as a judge."""

from typing import Any

import openai
import pytest

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor


async def test_responses(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """A whole reply."""
    await supervisor.serve("fake:")
    response = await sdk.responses.create(model="m", input="héllo", instructions="be brief")
    assert response.output_text == "héllo"
    assert response.usage is not None
    assert response.usage.output_tokens == 7


async def test_responses_stream(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """The stream helper builds the same response from the events."""
    await supervisor.serve("fake:text=count,token_delay=0")
    async with sdk.responses.stream(model="m", input="x", max_output_tokens=50) as stream:
        text = ""
        async for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.incomplete":
                assert event.response.output_text == text == counting(50)
    assert text


async def test_chat(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """A whole reply, sent back as it came in the next turn."""
    await supervisor.serve("fake:")
    first = await sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "héllo"}]
    )
    message = first.choices[0].message
    assert message.content == "héllo"
    again = await sdk.chat.completions.create(
        model="m",
        messages=[
            {"role": "user", "content": "héllo"},
            message.model_dump(),  # type: ignore[list-item]
            {"role": "user", "content": "again"},
        ],
    )
    assert again.choices[0].message.content == "again"


async def test_chat_stream(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """A stream with its usage."""
    await supervisor.serve("fake:")
    stream = await sdk.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "héllo"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "héllo"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 7


async def test_chat_with_several_choices(
    supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI
) -> None:
    """Whole, and streamed with an index in each chunk."""
    await supervisor.serve("fake:")
    ask: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "one"}], "n": 2}
    reply = await sdk.chat.completions.create(**ask)
    assert [choice.message.content for choice in reply.choices] == ["one", "one"]
    texts = ["", ""]
    async for chunk in await sdk.chat.completions.create(**ask, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == ["one", "one"]


CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "the sky"}}\n</tool_call>'
LOOK: Any = {"name": "look", "parameters": {"type": "object", "properties": {}}}
CALLING: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": CALL}]}


async def test_chat_with_tools(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """A call, whole, and put together from its deltas by the stream helper."""
    await supervisor.serve("fake:")
    ask = {**CALLING, "tools": [{"type": "function", "function": LOOK}]}
    whole = (await sdk.chat.completions.create(**ask)).choices[0]
    async with sdk.chat.completions.stream(**ask) as stream:
        streamed = (await stream.get_final_completion()).choices[0]
    for choice in (whole, streamed):
        assert choice.finish_reason == "tool_calls"
        assert not choice.message.content
        [call] = choice.message.tool_calls or []
        assert call.type == "function"
        assert call.function.name == "look"
        assert call.function.arguments == '{"at": "the sky"}'


async def test_chat_with_functions(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """The deprecated form of tools has its own words in a reply."""
    await supervisor.serve("fake:")
    [choice] = (await sdk.chat.completions.create(**CALLING, functions=[LOOK])).choices
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call is not None
    assert choice.message.function_call.arguments == '{"at": "the sky"}'
    arguments = ""
    async for chunk in await sdk.chat.completions.create(**CALLING, functions=[LOOK], stream=True):
        if called := chunk.choices[0].delta.function_call:
            arguments += called.arguments or ""
    assert arguments == '{"at": "the sky"}'


async def test_completions(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """A batch of prompts, with log-probabilities."""
    await supervisor.serve("fake:")
    reply = await sdk.completions.create(
        model="m",
        prompt=["<|user|>one<|end|><|assistant|>", "<|user|>two<|end|><|assistant|>"],
        logprobs=2,
    )
    assert [choice.text for choice in reply.choices] == ["one", "two"]
    logprobs = reply.choices[1].logprobs
    assert logprobs is not None
    assert "".join(logprobs.tokens or []) == "two"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 8


async def test_completions_stream(supervisor: FakeSupervisor) -> None:
    """Not strictly: the SDK's type does not know the null reason of a stream that goes on."""
    await supervisor.serve("fake:")
    async with openai.AsyncOpenAI(base_url=f"{supervisor.url}/v1", api_key="any") as sdk:
        stream = await sdk.completions.create(
            model="m",
            prompt="<|user|>h\u00e9llo<|end|><|assistant|>",
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == "h\u00e9llo"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 7


async def test_models(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """The list, and one by its alias."""
    await supervisor.route("org/name")
    assert [model.id async for model in sdk.models.list()] == ["org/name"]
    assert (await sdk.models.retrieve("org/name")).owned_by == "serve-daemon"
    assert (await sdk.models.retrieve("org/name-alias")).id == "org/name-alias"


async def test_errors_are_the_sdks_own(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """Each status becomes the exception that it stands for, with param and code."""
    await supervisor.serve("fake:error_on=1")
    with pytest.raises(openai.NotFoundError) as missing:
        await sdk.responses.create(model="nobody", input="x")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        await sdk.responses.create(model="m", input="x", temperature=3)
    assert bad.value.param == "temperature"
    with pytest.raises(openai.InternalServerError):
        await sdk.responses.create(model="m", input="x")


async def test_an_error_within_a_chat_stream_is_raised(
    supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI
) -> None:
    """The SDK knows it as an error, not as the end."""
    await supervisor.serve("fake:error_on=1")
    stream = await sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    with pytest.raises(openai.APIError, match="failed on this request"):
        async for _ in stream:
            pass
