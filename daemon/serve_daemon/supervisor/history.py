"""The configurations that worked, kept in the state directory; the oldest are forgotten."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

KEPT = 20

logger = structlog.get_logger()


class Entry(Struct, frozen=True):
    """A configuration that came into force without a failure."""

    number: int  # counts up from 1, over restarts of the daemon
    time: float  # Unix seconds
    trigger: str  # what brought it into force
    changes: list[str]  # in words; none of one that the daemon started with
    files: dict[str, str]  # text by path, the main file first


class History:
    """One file an entry, so that a broken one costs no other."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, trigger: str, changes: Sequence[str], files: Mapping[str, str]) -> None:
        """Add what is in force now, unless the newest entry says the same.

        A history that can't be written is told of in the log: the configuration holds without it.
        """
        kept = self.entries()
        if kept and kept[-1].files == files:
            return
        number = kept[-1].number + 1 if kept else 1
        entry = Entry(number, time.time(), trigger, list(changes), dict(files))
        try:
            self._write(entry)
            for old in kept[: max(len(kept) + 1 - KEPT, 0)]:
                self._path(old.number).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("the configuration's history can't be written", error=str(error))

    def entries(self) -> list[Entry]:
        """All that can be read, oldest first."""
        return sorted(self._read(), key=lambda entry: entry.number)

    def _read(self) -> Iterator[Entry]:
        for path in self._directory.glob("*.json"):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=Entry)
            except (OSError, msgspec.DecodeError) as error:
                logger.warning(
                    "an entry of the history can't be read", file=str(path), error=str(error)
                )

    def _write(self, entry: Entry) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(entry.number)
        unfinished = path.with_suffix(".new")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(msgspec.json.encode(entry))
            file.flush()
            os.fsync(descriptor)
        unfinished.replace(path)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:06}.json"
