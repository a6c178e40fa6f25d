"""A file that is saved faster than engines start: the last edit wins, nothing is left behind."""

import os
from collections import Counter
from typing import Any

import psutil
import pytest

from integration.daemon import RunningDaemon
from integration.streams import text_of
from serve_daemon.control.client import ControlError

NUM_EDITS = 100  # in a few seconds, for no call waits for what it has begun


def model(**keys: object) -> str:
    lines = [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(["[models.m]", 'source = "fake:load=0.3"', *lines])


def edit(number: int) -> str:
    """By turns a file that replaces the engine, one that is live, one that is broken."""
    match number % 3:
        case 0:
            return model(max_requests=number % 30 + 1)
        case 1:
            return model(max_requests=number % 30 + 1, max_queue=number)
        case _:
            return "[models.m"


def held(daemon: RunningDaemon) -> dict[str, Any]:
    """What the daemon has: processes by their program, descriptors by kind, runtime files."""
    assert daemon.process is not None
    pid = daemon.process.pid
    children = psutil.Process(pid).children(recursive=True)
    files = [each.suffix for each in (daemon.directory / "run").rglob("*")]
    return {
        "processes": Counter(_program(each) for each in children),
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208 - names are enough
        "files": Counter(files),
    }


def _program(process: psutil.Process) -> str:
    try:
        return "engine" if "--model" in process.cmdline() else "other"
    except psutil.NoSuchProcess:
        return "gone"


async def reload(daemon: RunningDaemon, *, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(ControlError, match="ConfigRefused"):
            await daemon.ask("Reload", wait=False)
    else:
        await daemon.ask("Reload", wait=False)


async def test_of_a_hundred_edits_the_last_wins_and_nothing_leaks(daemon: RunningDaemon) -> None:
    """One engine is left, by the last file, with as many descriptors and files as before."""
    await daemon.started(model())
    async with daemon.http() as client:
        assert await text_of(client, model="m", input="before") == "before"
    before = held(daemon)
    assert before["processes"] == {"engine": 1, "other": 1}
    for number in range(NUM_EDITS):
        daemon.write(edit(number))
        await reload(daemon, is_refused=number % 3 == 2)
    daemon.write(model(max_requests=31))
    await daemon.until(_is_settled)
    await daemon.until_true(lambda: held(daemon) == before)
    async with daemon.http() as client:
        assert await text_of(client, model="m", input="after") == "after"
    assert daemon.model("m")["restarts"] == 0
    assert daemon.log().count("reload begins") >= NUM_EDITS * 2 // 3


def _is_settled(status: dict[str, Any]) -> bool:
    (only,) = status["models"]
    is_last = only["max_requests"] == 31 and only["state"] == "ready"
    return is_last and [each["role"] for each in only["replicas"]] == ["serving"]
