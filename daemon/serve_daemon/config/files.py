"""The files of a configuration, as they stand on disk: the main file and its drop-ins."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from serve_daemon.config.problems import Problem

EMBEDDED_DEFAULT = Path(__file__).with_name("default.toml")


class TextFile(Struct, frozen=True):
    path: str
    text: str
    digest: str  # of the content on disk


def drop_in_directory(main: Path) -> Path:
    """Where drop-ins of the main file lie: /etc/serve.toml.d for /etc/serve.toml."""
    return main.with_name(f"{main.name}.d")


def read_files(
    main: Path | None, text: str | None, text_of: Path | None = None
) -> tuple[list[TextFile], list[Problem]]:
    """Read the main file, then its drop-ins in the order of their names.

    `text` stands in for the content of `text_of`, a drop-in that need not be there yet; None: of
    the main file. Without a main file it is the embedded default.
    """
    files: list[TextFile] = []
    problems: list[Problem] = []
    main_file = main or EMBEDDED_DEFAULT
    text_of = text_of or main_file
    paths = _paths(main, problems)
    if text is not None and text_of not in paths:
        paths = _with_drop_in(paths, text_of, main_file, problems)
    for path in paths:
        replaced = text if path == text_of else None
        try:
            files.append(_read(path) if replaced is None else _instead(path, replaced))
        except OSError as error:
            problems.append(Problem(file=str(path), message=_unreadable(error)))
        except UnicodeDecodeError as error:
            problems.append(_not_utf8(path, error))
    return files, problems


def digests(main: Path | None) -> dict[str, str]:
    """What `read_files` would find, as a digest by path; unreadable files are left out."""
    return {path: _digest(content) for path, content in _contents(main)}


def _contents(main: Path | None) -> Iterator[tuple[str, bytes]]:
    for path in _paths(main, []):
        try:
            yield str(path), path.read_bytes()
        except OSError:  # a file that comes and goes; loading tells of it
            continue


def _paths(main: Path | None, problems: list[Problem]) -> list[Path]:
    if main is None:
        return [EMBEDDED_DEFAULT]
    directory = drop_in_directory(main)
    try:
        drop_ins = [path for path in directory.iterdir() if _is_drop_in(path)]
    except FileNotFoundError:
        drop_ins = []
    except OSError as error:
        problems.append(Problem(file=str(directory), message=_unreadable(error)))
        drop_ins = []
    return [main, *sorted(drop_ins, key=lambda path: path.name)]


def _with_drop_in(paths: list[Path], new: Path, main: Path, problems: list[Problem]) -> list[Path]:
    """The files to read once there is a new one."""
    if new.parent != drop_in_directory(main) or not _is_drop_in(new):
        message = f"is neither {main} nor *.toml in {drop_in_directory(main)}, name one of these"
        problems.append(Problem(file=str(new), message=message))
        return paths
    return [paths[0], *sorted([*paths[1:], new], key=lambda path: path.name)]


def _is_drop_in(path: Path) -> bool:
    # Hidden files are what editors leave beside the file being edited.
    return path.suffix == ".toml" and not path.name.startswith(".")


def _read(path: Path) -> TextFile:
    content = path.read_bytes()
    return TextFile(str(path), content.decode("utf-8-sig"), _digest(content))


def _instead(path: Path, text: str) -> TextFile:
    return TextFile(str(path), text, _digest(text.encode(errors="replace")))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unreadable(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file, create it or name another one with --config"
        case PermissionError():
            return "may not be read, let the daemon's user read it"
        case IsADirectoryError():
            return "is a directory, name a file"
        case NotADirectoryError():
            return "is no directory, remove it or make it one"
    return f"can't be read ({error.strerror or error}), repair it or name another file"


def _not_utf8(path: Path, error: UnicodeDecodeError) -> Problem:
    before, _, line = error.object[: error.start].rpartition(b"\n")
    rest = error.object[error.start :].partition(b"\n")[0]
    return Problem(
        file=str(path),
        line=before.count(b"\n") + (2 if error.object[: error.start].count(b"\n") else 1),
        column=len(line.decode()) + 1,
        message=f"byte 0x{error.object[error.start]:02x} is not UTF-8, save the file as UTF-8",
        text=(line + rest).decode(errors="replace"),
    )
