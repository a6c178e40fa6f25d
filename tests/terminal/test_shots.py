"""Pictures of a terminal: what is in them."""

import html
import re
from pathlib import Path

import click
import pytest

from cli.documents import model, replica, status
from cli.fake_daemon import FakeDaemon
from cli.pseudo_terminal import Terminal
from terminal.picture import last_frame, plain
from terminal.shots import Shots


@pytest.fixture
def shots(tmp_path: Path) -> Shots:
    return Shots(tmp_path, tmp_path / "control.sock")


def text_of(file: Path) -> str:
    """What can be read in a picture."""
    texts = re.findall(r"<text [^>]*>(.*?)</text>", file.read_text(), re.DOTALL)
    return html.unescape("".join(texts)).replace("\N{NO-BREAK SPACE}", " ")


def begun(terminal: Terminal) -> None:
    terminal.until("q quit")


def test_a_picture_has_what_the_terminal_had(tmp_path: Path, shots: Shots) -> None:
    """The command and its lines, in colours; nothing that would be fetched."""
    daemon = FakeDaemon(tmp_path / "control.sock")
    daemon.answers["Status"] = [status(model(replicas=[replica()]))]
    with daemon.running():
        file = shots.of_command("status", "status")
        drawn = shots.of_screen("top", 12, begun, "top")
    assert "$ servectl status" in text_of(file)
    assert "└─ e1" in text_of(file)
    assert "#7ec880" in file.read_text()  # ready is green
    assert "q quit" in text_of(drawn)
    assert "http" not in file.read_text().replace("http://www.w3.org/2000/svg", "")


def test_what_steers_a_terminal_is_no_text() -> None:
    """Frames are what was drawn last; a line that was written anew is as it was at last."""
    first, second = "\x1b[?2026h\x1b[Hone\x1b[K\r\n\x1b[K\x1b[J", "\x1b[Htwo\x1b[K\r\n\x1b[K\x1b[J"
    assert last_frame(f"{first}{second}\x1b[?25h").splitlines() == ["two"]
    green = click.style("done", fg="green")
    assert plain(f"\r\x1b[Khalf\r\x1b[K{green}\r\n$") == f"{green}\n$"
