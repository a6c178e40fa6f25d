"""The clients: one streamed request over a socket, and closed and open loops of many.

Sockets rather than a library, since the client takes its processor time from the servers.
"""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from figures import Reply
from processes import ServerError
from sse import Dechunker, Event, Events, Usage

Result = TypeVar("Result")

READ_BYTES = 65536
EXCERPT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A server as a client sees it, and how long it may take over one request."""

    port: int
    model: str
    deadline_seconds: float
    more: dict[str, Any] = field(default_factory=dict)  # fields of each request


def _nothing() -> None:
    """What most callers do at a piece of text."""


async def ask(
    target: Target, prompt: str, num_tokens: int, on_text: Callable[[], None] = _nothing
) -> Reply:
    """One request, over a connection of its own; `on_text` is called at each piece of text.

    Raises `ServerError` for all but a complete reply, and when the deadline has passed.
    """
    try:
        async with asyncio.timeout(target.deadline_seconds):
            request = _request(target, prompt, num_tokens)
            return await _exchange(target, request, on_text)
    except TimeoutError as error:
        raise ServerError(f"no complete reply within {target.deadline_seconds:.0f} s") from error
    except (OSError, asyncio.IncompleteReadError) as error:
        raise ServerError(f"the connection broke: {error}") from error
    except msgspec.DecodeError as error:
        raise ServerError(f"the stream is not a completion's: {error}") from error


async def closed_loop(
    target: Target, streams: Sequence[Sequence[str]], num_tokens: int
) -> list[Reply]:
    """Each stream asks its prompts one after the other; all streams at once."""

    async def one(prompts: Sequence[str]) -> list[Reply]:
        return [await ask(target, prompt, num_tokens) for prompt in prompts]

    every = await _all([one(prompts) for prompts in streams])
    return [reply for replies in every for reply in replies]


async def open_loop(
    target: Target, arrivals: Sequence[tuple[float, str]], num_tokens: int
) -> list[Reply]:
    """Each prompt at its own time, whatever became of the others; delays count from that time."""
    start = time.monotonic()

    async def one(due_seconds: float, prompt: str) -> Reply:
        await asyncio.sleep(start + due_seconds - time.monotonic())
        reply = await ask(target, prompt, num_tokens)
        return replace(reply, started_seconds=start + due_seconds)

    return await _all([one(due_seconds, prompt) for due_seconds, prompt in arrivals])


async def _all(work: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results of all; the first failure cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except* ServerError as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _request(target: Target, prompt: str, num_tokens: int) -> bytes:
    question = {
        "model": target.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": num_tokens,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    } | target.more
    body = json.dumps(question).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _exchange(target: Target, request: bytes, on_text: Callable[[], None]) -> Reply:
    started = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.split(maxsplit=2)[1].decode()
        if status != "200":
            excerpt = (await reader.read(READ_BYTES)).decode(errors="replace")
            raise ServerError(f"answered status {status}: {excerpt[:EXCERPT_CHARACTERS]}")
        is_chunked = b"transfer-encoding: chunked" in head.lower()
        return await _read(reader, Dechunker() if is_chunked else None, started, on_text)
    finally:
        writer.close()


async def _read(
    reader: asyncio.StreamReader,
    dechunker: Dechunker | None,
    started_seconds: float,
    on_text: Callable[[], None],
) -> Reply:
    events = Events()
    texts: list[float] = []
    usage: Usage | None = None
    now = started_seconds
    while not (events.is_over or (dechunker and dechunker.is_over)):
        data = await reader.read(READ_BYTES)
        if not data:
            break
        now = time.monotonic()
        for event in events.feed(dechunker.feed(data) if dechunker else data):
            _raise_if_error(event)
            if event.has_text:
                texts.append(now)
                on_text()
            usage = event.usage or usage
    if usage is None or not texts:
        raise ServerError("the stream ended without text or without saying how many tokens it has")
    return Reply(started_seconds, tuple(texts), now, usage.prompt_tokens, usage.completion_tokens)


def _raise_if_error(event: Event) -> None:
    if event.error is not None:
        raise ServerError(f"an error in the stream: {str(event.error)[:EXCERPT_CHARACTERS]}")
