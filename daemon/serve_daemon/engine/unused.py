"""What a cache holds and no start has used for a while: removed once something takes its place."""

import glob
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import structlog

UNUSED_SECONDS = 7 * 24 * 3600  # who goes back to an older version within a week finds it there
KEY = "[0-9a-f]" * 16

log = structlog.get_logger()


def note_use(path: Path) -> None:
    """Take down, as its time of access, that `path` is used now; a cache may be read-only."""
    with suppress(OSError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def siblings(path: Path, suffix: str = "") -> list[Path]:
    """What was made beside `path` of other states of the same: NAME-KEY, and the suffix."""
    name = path.name.removesuffix(suffix).rpartition("-")[0]
    found = path.parent.glob(f"{glob.escape(name)}-{KEY}{suffix}")
    return [each for each in found if each != path]


def remove(paths: Iterable[Path]) -> None:
    """Remove those of `paths` that are unused; whoever has them mapped keeps them."""
    for path in paths:
        with suppress(OSError):
            if time.time() - path.stat().st_atime < UNUSED_SECONDS:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            log.info("removed what was unused for a week", path=str(path))
