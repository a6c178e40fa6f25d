"""Configuration files given new contents, and, where that was no good, their former ones back."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


class Rewriting:
    """Some files and what is to be in them. Each is replaced in one piece or not at all."""

    def __init__(self, texts: Mapping[Path, str]) -> None:
        wanted = {path.resolve(): text.encode() for path, text in texts.items()}
        former = {path: _content(path) for path in wanted}
        self._wanted = {path: new for path, new in wanted.items() if new != former[path]}
        self._former = former

    def make_folders(self) -> None:
        """Those that first drop-ins lie in, open to all as the files are. Raises `OSError`."""
        for folder in {path.parent for path in self._wanted if path.parent.suffix == ".d"}:
            folder.mkdir(mode=0o755, exist_ok=True)

    def carry_out(self) -> None:
        """Write the files. Raises `OSError`, having changed none."""
        done: list[Path] = []
        try:
            for path, content in self._wanted.items():
                replace(path, content)
                done.append(path)
        except BaseException:  # Ctrl-C, too, leaves nothing half done
            for path in done:
                self._restore(path)
            raise

    def undo(self) -> list[Path]:
        """Restore the files; those that somebody has changed meanwhile are left and returned."""
        changed = [path for path, new in self._wanted.items() if _content(path) != new]
        for path in self._wanted.keys() - set(changed):
            self._restore(path)
        return changed

    def _restore(self, path: Path) -> None:
        content = self._former[path]
        if content is None:
            path.unlink()
        else:
            replace(path, content)


def replace(path: Path, content: bytes) -> None:
    """Give a file a new content by renaming, so that nobody ever reads half of it.

    Mode and owner stay as they are. Raises `OSError`.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            _adopt_owner(descriptor, path)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _adopt_owner(descriptor: int, path: Path) -> None:
    try:
        present = path.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, 0o644)
        return
    os.fchmod(descriptor, present.st_mode)
    made = os.fstat(descriptor)
    if (present.st_uid, present.st_gid) != (made.st_uid, made.st_gid):
        os.fchown(descriptor, present.st_uid, present.st_gid)


def _content(path: Path) -> bytes | None:
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return None
