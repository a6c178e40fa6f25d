"""The daemon's configuration replaced as a whole: by another file, or by one that worked before."""

import contextlib
from pathlib import Path
from typing import Any

import click

from serve_daemon.cli.connection import EXIT_FAILED, call, fail, is_refusal, name_file
from serve_daemon.cli.rewriting import Rewriting
from serve_daemon.config.files import read_files
from serve_daemon.control.client import ControlError

Document = dict[str, Any]


def apply(file: str, *, is_dry: bool) -> list[Document]:
    """Put a file's text into the daemon's main file; what has changed, or would."""
    text = _text(file)
    main = main_file()
    try:
        planned: list[Document] = call("Plan", text=text)["changes"]
    except ControlError as error:
        name_file(error, file)
        raise
    return planned if is_dry else carry_out(Rewriting({main: text}))


def roll_back(number: int | None) -> list[Document]:
    """Restore the files of an entry of the history; what has changed."""
    history, main = call("History"), main_file()
    present = {file.path: file.text for file in read_files(main, None)[0]}
    entry = entry_of(history, number) if number else _last_other(history, present)
    texts: dict[str, str] = entry["files"]
    if str(main) not in texts:
        fail(f"that configuration was not in {main} but in {next(iter(texts))}", EXIT_FAILED)
    if later := [path for path in present if path not in texts]:
        names = ", ".join(later)
        fail(f"{names}: not part of it; move it away, and roll back again", EXIT_FAILED)
    return carry_out(Rewriting({Path(path): text for path, text in texts.items()}))


def entry_of(history: Document, number: int) -> Document:
    """The entry of that number; leaves if there is none."""
    entries: list[Document] = history["entries"]
    found = [each for each in entries if each["number"] == number]
    if not found:
        numbers = ", ".join(str(each["number"]) for each in entries) or "none"
        fail(f"the history has no number {number}; it has: {numbers}", EXIT_FAILED)
    return found[0]


def _last_other(history: Document, present: dict[str, str]) -> Document:
    others: list[Document] = [each for each in history["entries"] if each["files"] != present]
    if not others:
        fail("the history has no other configuration than the present one", EXIT_FAILED)
    return others[-1]


def _text(file: str) -> str:
    with click.open_file(file, "rb") as opened:
        content: bytes = opened.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        fail(f"{file}: byte {error.start} is not UTF-8, save the file as UTF-8", EXIT_FAILED)


def main_file() -> Path:
    """The file that the daemon reads; leaves where it reads none."""
    path = Path(call("Status")["daemon"]["config"])
    if not path.is_absolute():
        fail(f"the daemon runs with {path}: start it with --config FILE to change it", EXIT_FAILED)
    return path


def carry_out(rewriting: Rewriting) -> list[Document]:
    """Rewrite the files and reload; what has changed.

    A reload that is refused or fails leaves the files as they were, and its error passes on.
    """
    write(rewriting)
    try:
        changes: list[Document] = call("Reload", wait=True)["changes"]
    except ControlError as error:
        _give_back(rewriting, has_begun=not is_refusal(error))
        raise
    except KeyboardInterrupt:
        _give_back(rewriting, has_begun=True)
        raise
    return changes


def write(rewriting: Rewriting) -> None:
    """Rewrite the files; leaves, having changed none, where they can't be written."""
    try:
        rewriting.make_folders()
        rewriting.carry_out()
    except OSError as error:
        hint = "; run this as root" if isinstance(error, PermissionError) else ""
        fail(f"{error.filename}: can't be written: {error.strerror}{hint}", EXIT_FAILED)


def _give_back(rewriting: Rewriting, *, has_begun: bool) -> None:
    foreign = rewriting.undo()
    for path in foreign:
        click.echo(f"{path}: somebody has changed it meanwhile, it is left as it is", err=True)
    if not foreign:
        click.echo("the files are as they were before", err=True)
    if has_begun:
        # What else the reload has changed goes back, too. The former files may have been refused
        # before, then nothing changes; the error that led here is the one to tell of.
        with contextlib.suppress(ControlError):
            call("Reload", wait=False)
