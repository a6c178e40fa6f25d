"""What a server holds at work and takes at rest, seen at a process of our own."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import weighing
from clients import Target
from figures import Reply
from processes import ServerError

TARGET = Target(0, "tiny", 1.0)


@contextmanager
def waiting(source: str) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


async def _answered(_target: Target, streams: list[list[str]], num_tokens: int) -> list[Reply]:
    return [Reply(0.0, (1.0,), 1.0, 900, num_tokens) for _ in streams]


def test_a_full_load_tells_the_most_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """And how much each stream held then."""
    monkeypatch.setattr(weighing, "closed_loop", _answered)
    with waiting("held = bytearray(b'x') * 50_000_000; print(1, flush=True); input()") as pid:
        found = asyncio.run(weighing.full_load(TARGET, pid))
    values = {figure.name.partition(",")[0]: value for figure, value in found.items()}
    assert values["32 full streams: tokens of each"] == 964
    assert values["32 full streams: most memory of all processes"] > 50


def test_a_server_that_fails_under_a_full_load_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not only weighed."""

    async def failing(*_arguments: object) -> list[Reply]:
        await asyncio.sleep(0)
        raise ServerError("the connection broke")

    monkeypatch.setattr(weighing, "closed_loop", failing)
    with waiting("print(1, flush=True); input()") as pid, pytest.raises(ServerError, match="broke"):
        asyncio.run(weighing.full_load(TARGET, pid))


def test_a_process_at_rest_takes_nothing_and_a_busy_one_something() -> None:
    """In percent of one core."""
    with waiting("print(1, flush=True); input()") as resting:
        assert next(iter(weighing.idle(resting, 0.3).values())) < 10
    with waiting("print(1, flush=True)\nwhile True: pass") as busy:
        assert next(iter(weighing.idle(busy, 0.3).values())) > 0
