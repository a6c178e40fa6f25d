"""Notices that the configuration's files have changed on disk."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import watchfiles

from serve_daemon.config.files import digests, drop_in_directory

DEBOUNCE_MILLISECONDS = 100
STEP_MILLISECONDS = 100  # between looks of the watcher, each of which wakes this process
SETTLE_SECONDS = 0.1
LOOK_MILLISECONDS = 1000


async def changes(main: Path, loaded: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    """The digests of the files each time that they differ from what they were before.

    Directories are watched, not files: editors save by renaming, and a mounted configuration is
    switched by a symbolic link. What has changed is decided by content, once two looks in a row
    agree: a file that is being written may be empty for a moment, and that names no model.
    """
    last = loaded
    async for now in _looks(main):
        if now != last:
            last = await _settled(main, now)
            yield last


async def _settled(main: Path, seen: dict[str, str]) -> dict[str, str]:
    while True:
        await asyncio.sleep(SETTLE_SECONDS)
        now = digests(main)
        if now == seen:
            return now
        seen = now


async def _looks(main: Path) -> AsyncIterator[dict[str, str]]:
    """The digests after each event in a directory that matters, and now and then without one."""
    while True:
        watched = _directories(main)
        async with aclosing(_events(watched)) as events:
            async for _ in events:
                yield digests(main)
                if _directories(main) != watched:  # the one for drop-ins was made, say
                    break


async def _events(directories: list[Path]) -> AsyncGenerator[object, None]:
    async for event in watchfiles.awatch(
        *directories,
        debounce=DEBOUNCE_MILLISECONDS,
        step=STEP_MILLISECONDS,
        recursive=False,
        ignore_permission_denied=True,
        # What changes before a watch has begun, or on a file system without events, is seen too.
        rust_timeout=LOOK_MILLISECONDS,
        yield_on_timeout=True,
    ):
        yield event


def _directories(main: Path) -> list[Path]:
    """Where the files are, and where the links to them lead."""
    drop_ins = drop_in_directory(main)
    candidates = {main.parent, main.resolve().parent, drop_ins, drop_ins.resolve()}
    return sorted(each for each in candidates if each.is_dir())
