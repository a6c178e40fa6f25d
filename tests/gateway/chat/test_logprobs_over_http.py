"""Log-probabilities in replies, as OpenAI's own client reads them."""

import openai
from openai.types.responses import Response, ResponseOutputMessage, ResponseOutputText

from fakes.supervisor import FakeSupervisor

TEXT = "the h\u00e9"


def part_of(response: Response) -> ResponseOutputText:
    [message] = response.output
    assert isinstance(message, ResponseOutputMessage)
    [part] = message.content
    assert isinstance(part, ResponseOutputText)
    return part


async def test_chat(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """One entry for each token of the text, without the one that ended it."""
    await supervisor.serve("fake:")
    reply = await sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": TEXT}], logprobs=True, top_logprobs=2
    )
    assert reply.choices[0].logprobs is not None
    content = reply.choices[0].logprobs.content or []
    assert b"".join(bytes(entry.bytes or []) for entry in content) == TEXT.encode()
    assert [entry.logprob for entry in content] == [-0.5] * len(content)
    for entry in content:
        assert [top.logprob for top in entry.top_logprobs] == [-0.5, -1.5]
        assert entry.top_logprobs[0].token == entry.token


async def test_chat_stream(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """Each chunk has those of its own tokens; without top_logprobs they have no others."""
    await supervisor.serve("fake:")
    stream = await sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": TEXT}], logprobs=True, stream=True
    )
    written, text = b"", ""
    async for chunk in stream:
        choice = chunk.choices[0]
        text += choice.delta.content or ""
        for entry in (choice.logprobs and choice.logprobs.content) or []:
            written += bytes(entry.bytes or [])
            assert entry.top_logprobs == []
        assert written == text.encode()
    assert text == TEXT


async def test_nobody_asked(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """Then there are none."""
    await supervisor.serve("fake:")
    reply = await sdk.chat.completions.create(
        model="m", messages=[{"role": "user", "content": TEXT}]
    )
    assert reply.choices[0].logprobs is None
    response = await sdk.responses.create(model="m", input=TEXT)
    assert part_of(response).logprobs == []


async def test_responses(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """In the part of the message, which can be sent back as it came."""
    await supervisor.serve("fake:")
    response = await sdk.responses.create(
        model="m", input=TEXT, include=["message.output_text.logprobs"], top_logprobs=3
    )
    assert response.top_logprobs == 3
    entries = part_of(response).logprobs or []
    assert b"".join(bytes(entry.bytes) for entry in entries) == TEXT.encode()
    assert {len(entry.top_logprobs) for entry in entries} == {3}
    again = [response.output[0].model_dump(), {"role": "user", "content": "again"}]
    reply = await sdk.responses.create(model="m", input=again)  # type: ignore[arg-type]
    assert reply.output_text == "again"


async def test_responses_stream(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """With the deltas, and all of them with what is done."""
    await supervisor.serve("fake:")
    stream = await sdk.responses.create(
        model="m", input=TEXT, include=["message.output_text.logprobs"], stream=True
    )
    entries = 0
    async for event in stream:
        if event.type == "response.output_text.delta":
            entries += len(event.logprobs)
            assert {entry.logprob for entry in event.logprobs} == {-0.5}
        if event.type == "response.output_text.done":
            assert len(event.logprobs) == entries > 0
        if event.type == "response.completed":
            assert len(part_of(event.response).logprobs or []) == entries
