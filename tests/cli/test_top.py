"""servectl top: what it shows, and that it gives the terminal back."""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click
import pytest
from click.testing import Result

from cli.documents import MEBIBYTE, model, replica, status, text
from cli.fake_daemon import FakeDaemon
from cli.pseudo_terminal import ENTERED, Terminal, on_terminal
from serve_daemon.cli.board import Board, sparkline
from serve_daemon.cli.processors import TICKS_PER_SECOND, Processors

Servectl = Callable[..., Result]

LOOK = """\
  123.0 tokens/s, 3 running, 3 waiting, 680.0M

  MODEL    STATE    TOKENS/S  RUN  WAIT   KV   CPU  MEMORY   PID
● smollm2  ready       123.0    3     3       100%  537.0M
  ├─ e1    ready        61.5    3     1  25%   50%  537.0M  1250
  └─ e2    loading      61.5    0     1    -   50%  537.0M  1251
● idle     ready           -    0     0          -  100.0M
"""


def two_models() -> list[dict[str, object]]:
    loading = {"phase": "starting", "progress": "loading weights", "kv_cache_usage": None}
    engines = [replica(), replica(id="e2", pid=1251, running=0, **loading)]
    busy = model(replicas=engines, queued=1, tokens_per_second=123.0)
    idle = model("idle", replicas=[], queued=0, tokens_per_second=0.0, memory=100 * MEBIBYTE)
    return [idle, busy]


def test_a_look_is_printed_in_a_pipe(
    servectl: Servectl, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The busiest model first, its engines below it, no sparklines of a single look."""
    monkeypatch.setattr(Processors, "share", lambda _self, _pid: 0.5)
    daemon.answers["Status"] = [status(*two_models())]
    head, gateway, rest = servectl("top").output.split("\n", 2)
    assert head.startswith("● serve-daemon 0.1.0 - running, up ")
    assert "2 of 2 models ready" in head
    assert gateway == "● gateway - ready, 345 requests, 0 failed"
    assert rest == LOOK


def test_looks_are_as_many_as_asked_for(servectl: Servectl, daemon: FakeDaemon) -> None:
    """As JSON a document each, with the daemon's whole state."""
    daemon.answers["Status"] = [status(model())]
    lines = servectl("top", "--json", "-n", "2", "-d", "0.1").output.splitlines()
    assert [json.loads(line)["models"][0]["name"] for line in lines] == ["smollm2"] * 2
    assert all(abs(json.loads(line)["time"] - time.time()) < 60 for line in lines)
    assert servectl("top", "-n", "3", "-d", "0.1").output.count("MODEL") == 3
    assert servectl("top", "--once", "-n", "3").output.count("MODEL") == 1


@pytest.mark.parametrize(
    ("order", "first"), [("tokens", "fast"), ("memory", "large"), ("name", "a"), ("cpu", "hot")]
)
def test_models_are_sorted(order: str, first: str) -> None:
    """By what one looks for."""
    board = Board(order)
    still = {"tokens_per_second": 1.0, "memory": MEBIBYTE, "replicas": []}
    board.take(
        status(
            model("fast", **still | {"tokens_per_second": 9.0}),
            model("large", **still | {"memory": 9 * MEBIBYTE}),
            model("hot", **still | {"replicas": [replica(pid=os.getpid())]}),
            model("a", **still),
        )
    )
    assert text(board.rows(100)).splitlines()[1].split()[1] == first


def test_a_sparkline_is_as_high_as_its_values() -> None:
    """Beside the highest; nothing at all is nothing to be seen."""
    assert sparkline([0.0, 1.0, 4.0, 7.0], 6) == "   ▂▅█"
    assert sparkline([1.0] * 9, 3) == "███"
    assert sparkline([], 2) == "  "


def test_processors_are_those_used_since_the_last_look(tmp_path: Path) -> None:
    """At first since the process began, as ps has it."""

    def write(seconds: float, started: float) -> None:
        (tmp_path / "7").mkdir(exist_ok=True)
        fields = ["S", *["0"] * 19]
        fields[11], fields[12] = (str(int(seconds * TICKS_PER_SECOND / 2)) for _ in range(2))
        fields[19] = str(int(started * TICKS_PER_SECOND))
        (tmp_path / "7" / "stat").write_text(f"7 (a) b) {' '.join(fields)}")

    processors = Processors(tmp_path)
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    write(50.0, now - 100)
    assert processors.share(7) == pytest.approx(0.5, abs=0.05)
    assert processors.share(7) == 0.0  # nothing since
    write(1.0, now - 100)  # another process
    assert processors.share(7) == pytest.approx(0.01, abs=0.005)
    assert [processors.share(pid) for pid in (None, 8)] == [None, None]


# ---------------------------------------------------------------- on a terminal


def began(terminal: Terminal) -> None:
    terminal.until("q quit")
    assert ENTERED in terminal.written
    assert not terminal.is_as_before()


def live(daemon: FakeDaemon) -> list[str]:
    daemon.answers["Status"] = [status(*two_models())]
    return ["--socket", str(daemon.path), "top", "-d", "0.1"]


@pytest.mark.parametrize(
    ("leave", "expected"),
    [
        (lambda terminal: terminal.type("q"), 0),
        (lambda terminal: terminal.type("\x03"), 130),
        (lambda terminal: terminal.process.terminate(), 128 + signal.SIGTERM),
        (lambda terminal: terminal.process.send_signal(signal.SIGHUP), 128 + signal.SIGHUP),
    ],
    ids=["q", "Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_the_terminal_is_given_back(
    daemon: FakeDaemon, leave: Callable[[Terminal], None], expected: int
) -> None:
    """However one leaves."""
    with on_terminal(*live(daemon)) as terminal:
        began(terminal)
        leave(terminal)
        assert terminal.exit_status() == expected
        assert terminal.is_as_before()
        assert "Traceback" not in terminal.written


def test_keys_and_a_new_size_take_effect_at_once(daemon: FakeDaemon) -> None:
    """Sorting, a pause, rows that have no room."""
    with on_terminal(*live(daemon), "-d", "3600") as terminal:
        began(terminal)
        terminal.type("s")
        terminal.until("s sort: memory")
        terminal.type("p")
        terminal.until("paused")
        before = len(terminal.written)
        terminal.resize(60, 9)
        narrow = terminal.until("↑↓ 2 more", before)
        frame = narrow.rpartition("\x1b[H")[2]
        rows = [click.unstyle(line) for line in frame.split("\r\n")]
        assert len(rows) == 9
        assert max(len(row.partition("\x1b[")[0]) for row in rows) <= 60
        terminal.type("\x1b[B")
        terminal.until("e2", before)
        terminal.type("q")
        assert terminal.exit_status() == 0


def test_it_is_plain_where_that_is_wanted(daemon: FakeDaemon) -> None:
    """Without colours, and in ASCII."""
    with on_terminal(*live(daemon), NO_COLOR="1", LC_ALL="C") as terminal:
        began(terminal)
        assert re.search(r"\x1b\[[0-9;]*m", terminal.written) is None
        assert "* smollm2" in terminal.written
        assert "|- e1" in terminal.written


def test_it_waits_for_a_daemon_that_restarts(tmp_path: Path) -> None:
    """What was shown stays, and why nothing is new."""
    daemon = FakeDaemon(tmp_path / "restarting.sock")
    with ExitStack() as lives:
        lives.enter_context(daemon.running())
        with on_terminal(*live(daemon)) as terminal:
            began(terminal)
            lives.close()
            terminal.until("waiting for it")
            with daemon.running():
                terminal.until("q quit", len(terminal.written))
                terminal.type("q")
                assert terminal.exit_status() == 0


def test_ctrl_z_gives_the_shell_its_terminal(daemon: FakeDaemon) -> None:
    """And takes it again when it goes on."""
    with on_terminal(*live(daemon)) as terminal:
        began(terminal)
        terminal.process.send_signal(signal.SIGTSTP)
        os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
        terminal.until("\x1b[?1049l")
        assert terminal.is_as_before()
        before = len(terminal.written)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.until("q quit", before)
        terminal.type("q")
        assert terminal.exit_status() == 0
        assert terminal.is_as_before()


def test_no_daemon_is_told_on_the_plain_terminal(tmp_path: Path) -> None:
    """Status 3, and nothing was drawn."""
    with on_terminal("--socket", str(tmp_path / "absent"), "top") as terminal:
        assert terminal.exit_status() == 3
        assert "no daemon answers" in terminal.written
        assert ENTERED not in terminal.written
