"""What a server holds while all its streams are full, and what it takes while nobody asks."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import psutil

from clients import Target, closed_loop
from figures import Figure, Measured, Reply
from processes import memory_of, tree_seconds
from workload import LONG_ANSWER, NEW_TOKENS, long_prompts

NUM_STREAMS = 32
PROMPT_TOKENS = 960  # with the answer just below 1,024, all that some servers have for one
SEED = 1000  # beyond the rounds': no prompt begins as one that was asked before
POLL_SECONDS = 1.0


async def full_load(target: Target, pid: int) -> Measured:
    """The most memory of `pid` and all below it while long prompts are read and answered at once.

    Raises `ServerError` as `ask` does.
    """
    weighed: Measured = {}
    replies = await while_full(target, lambda: _weigh(pid, weighed))
    tokens = sum(each.prompt_tokens + each.completion_tokens for each in replies)
    length = Figure(f"{NUM_STREAMS} full streams: tokens of each", "tokens", None)
    return {length: tokens / len(replies), **weighed}


async def while_full(target: Target, look: Callable[[], None]) -> list[Reply]:
    """The replies of all streams; `look` is called all the while, and at the end.

    Raises `ServerError` as `ask` does.
    """
    texts = islice(long_prompts(SEED, PROMPT_TOKENS, LONG_ANSWER), NUM_STREAMS)
    asking = asyncio.create_task(closed_loop(target, [[text] for text in texts], NEW_TOKENS))
    while not asking.done():
        with suppress(psutil.NoSuchProcess):  # the clients say so themselves
            look()
        await asyncio.wait([asking], timeout=POLL_SECONDS)
    replies = await asking
    look()
    return replies


def _weigh(pid: int, weighed: Measured) -> None:
    memory = memory_of(pid)
    most = Figure(f"{NUM_STREAMS} full streams: most memory of all processes, {memory.kind}", "MB")
    weighed[most] = max(weighed.get(most, 0.0), memory.total_bytes / 1e6)


def idle(pid: int, seconds: float) -> Measured:
    """The processor time of `pid` and all below it, while this waits."""
    before, start = tree_seconds(pid), time.monotonic()
    time.sleep(seconds)
    used = tree_seconds(pid) - before
    return {
        Figure("processor time while nobody asks", "% of a core"): used
        / (time.monotonic() - start)
        * 100
    }
