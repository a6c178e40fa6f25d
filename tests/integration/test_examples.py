"""What the manual shows to be typed to a daemon does what it says, to one with a fake engine."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from documents import pages
from documents.pages import Kind
from integration.daemon import RunningDaemon

CACHE = "/var/cache/serve-daemon"
RUN_HERE = {"servectl", "curl", "echo"}
# They reach out to the Hub or an index, don't end by themselves, or need no daemon.
LEFT_OUT = {"add", "engine", "import", "key", "pull", "top", "--follow", "-f"}


def asks_a_daemon(block: str) -> bool:
    commands = list(pages.commands(block))
    programs = {words[0] for words in commands}
    return programs <= RUN_HERE and not LEFT_OUT & {each for c in commands for each in c}


EXAMPLES = [
    block
    for page in pages.PAGES
    for kind, block in pages.examples(page)
    if kind is Kind.SHELL and asks_a_daemon(block)
]


async def failure(block: str, daemon: RunningDaemon) -> str:
    """What an example complains of; nothing where all goes well."""
    own = Path(sys.executable).parent
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-e", "-c", block.replace("localhost:8000", f"127.0.0.1:{daemon.port}")),
        cwd=daemon.directory,
        env=daemon.environment
        | {"PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "SERVECTL_SOCKET": str(daemon.socket)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await shell.communicate()
    return f"{block}{output.decode()}" if shell.returncode else ""


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_what_the_manual_shows_works(daemon: RunningDaemon) -> None:
    """One after the other, as a reader would who tries all of it; and files lie where it says."""
    await daemon.started('[models.smollm2]\nsource = "fake:text=hello"')
    new = daemon.directory / "new.toml"
    new.write_text(f"{daemon.file.read_text()}\n[models.other]\nsource = 'fake:text=other'\n")
    assert {words[0] for block in EXAMPLES for words in pages.commands(block)} == RUN_HERE
    assert [said for block in EXAMPLES if (said := await failure(block, daemon))] == []
    assert [
        each for each in files(daemon) if not any(fnmatch(each, known) for known in told())
    ] == []


def told() -> list[str]:
    """The files of serve-daemon-architecture(7); a directory stands for all that is in it."""
    text = pages.sections("serve-daemon-architecture.7")["FILES"].replace("\\", "")
    whole = [each for each in re.findall(r"_(/\S+)_", text) if each != f"{CACHE}/"]
    cached = [f"{CACHE}/{each}" for each in re.findall(r"_((?:[a-z]+/)|probe-\S+?)_", text)]
    return [f"{each}*" if each.endswith("/") else each for each in whole + cached]


def files(daemon: RunningDaemon) -> Iterator[str]:
    """All that the daemon has made, where it would be the system's."""
    places = {"run": "/run", "state": "/var/lib", "cache": "/var/cache"}
    for own, system in places.items():
        root = daemon.directory / own
        found = [each for each in root.rglob("*") if not each.is_dir()]
        yield from (f"{system}/{each.relative_to(root)}" for each in found)
