"""A file that is edited again and again while clients stream from a model that no edit names."""

import asyncio
from collections.abc import Callable
from typing import Any

from integration.daemon import RunningDaemon
from integration.streams import text_of

NUM_CLIENTS = 8


async def edit_while_streaming(
    daemon: RunningDaemon, *, first: str, second: Callable[..., str], fake: bool = True
) -> list[str]:
    """Add, change, remove, break and repair the model `second` while clients stream from `first`.

    Returns the texts that the clients got; all of them ask the same.
    """
    pid = daemon.model("first")["pid"]
    texts: list[str] = []
    leave = asyncio.Event()

    async def stream() -> None:
        async with daemon.http() as client:
            while not leave.is_set():
                question: dict[str, Any] = {"model": "first", "input": "Count.", "temperature": 0}
                texts.append(await text_of(client, max_output_tokens=40, **question))

    def write(models: str) -> None:
        daemon.write(models, fake=fake)

    async with asyncio.TaskGroup() as clients:
        for _ in range(NUM_CLIENTS):
            clients.create_task(stream())
        write(second())
        before = (await daemon.until_model("second", state="ready"))["pid"]
        write(second(max_requests=3))
        await daemon.until(_is_replaced)
        assert daemon.model("second")["pid"] != before
        write(first)
        await daemon.until(lambda status: [m["name"] for m in status["models"]] == ["first"])
        write(first + "[models.second\n")
        line = daemon.file.read_text().splitlines().index("[models.second") + 1
        await event_with(daemon, f"{daemon.file}:{line}:")
        write(second())
        await daemon.until_model("second", state="ready")
        leave.set()
    assert daemon.model("first")["pid"] == pid
    assert len(texts) >= NUM_CLIENTS
    assert set(texts) == {texts[0]}
    return texts


def _is_replaced(status: dict[str, Any]) -> bool:
    changed = [each for each in status["models"] if each["max_requests"] == 3]
    return [len(each["replicas"]) for each in changed] == [1]


async def event_with(daemon: RunningDaemon, text: str) -> dict[str, Any]:
    """The first event whose message has `text` in it."""
    async with asyncio.timeout(60):
        async for event in daemon.events():
            if text in event["message"]:
                return event
    raise AssertionError(text)
