"""servectl apply, history and rollback on a running daemon, with fake engines."""

import asyncio
from pathlib import Path

from integration.daemon import RunningDaemon, command

GOOD = '[models.m]\nsource = "fake:"\n'


async def servectl(daemon: RunningDaemon, *arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        command("servectl"),
        *("--socket", str(daemon.socket), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def candidate(daemon: RunningDaemon, old: str, new: str) -> Path:
    """The daemon's file with a change, beside it."""
    text = daemon.file.read_text()
    assert old in text
    file = daemon.directory / "candidate.toml"
    file.write_text(text.replace(old, new))
    return file


async def test_apply_and_roll_back(daemon: RunningDaemon) -> None:
    """The watch, which sees the same edits, carries out none of them again."""
    await daemon.started(GOOD)
    first = daemon.file.read_text()
    pid = daemon.model("m")["pid"]
    new = candidate(daemon, '"fake:"', '"fake:load=0.1"')
    status, output = await servectl(daemon, "apply", str(new))
    assert (status, "replace" in output) == (0, True), output
    assert daemon.file.read_text() == new.read_text()
    assert daemon.model("m")["pid"] != pid
    status, output = await servectl(daemon, "rollback")
    assert status == 0, output
    assert daemon.file.read_text() == first
    entries = daemon.call("History")["entries"]
    assert [each["files"][str(daemon.file)] for each in entries] == [first, new.read_text(), first]
    assert daemon.log().count("replace models.m") == len(entries) - 1


async def test_what_fails_leaves_everything_as_it_was(daemon: RunningDaemon) -> None:
    """File, engine and history."""
    await daemon.started(GOOD)
    text, pid = daemon.file.read_text(), daemon.model("m")["pid"]
    new = candidate(daemon, '"fake:"', '"fake:fail=config"')
    status, output = await servectl(daemon, "apply", str(new))
    assert (status, "the files are as they were before" in output) == (1, True), output
    assert daemon.file.read_text() == text
    assert daemon.model("m")["pid"] == pid
    entries = daemon.call("History")["entries"]
    assert [each["files"][str(daemon.file)] for each in entries] == [text]
