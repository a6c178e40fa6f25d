"""Notices that the configuration's files have changed on disk."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import watchfiles

from serve_daemon.config.files import digests, drop_in_directory

DEBOUNCE_MILLISECONDS = 150


async def changes(main: Path, loaded: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    """The digests of the files each time that they differ from what they were before.

    Directories are watched, not files: editors save by renaming, and a mounted configuration is
    switched by a symbolic link. What has changed is decided by content.
    """
    last = loaded
    watched = list(_directories(main))
    async for _ in watchfiles.awatch(
        *watched,
        debounce=DEBOUNCE_MILLISECONDS,
        step=50,
        recursive=False,
        ignore_permission_denied=True,
    ):
        now = digests(main)
        if now != last:
            last = now
            yield now


def _directories(main: Path) -> Iterable[Path]:
    """Where the files are, and where the links to them lead."""
    drop_ins = drop_in_directory(main)
    candidates = {main.parent, main.resolve().parent, drop_ins, drop_ins.resolve()}
    return sorted(each for each in candidates if each.is_dir())
