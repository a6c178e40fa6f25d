"""Records, events and changes as lines."""

import time
from typing import Any

import click
import pytest

from cli.documents import change
from serve_daemon.cli.lines import changes_lines, event_line, record_line


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (
            {"event": "ready", "level": "info", "timestamp": "2026-11-24T06:40:40.5Z"},
            "Nov 24 06:40:40 info    ready",
        ),
        (
            {"event": "killed", "level": "warning", "timestamp": "2026-11-24T06:40:40Z"}
            | {"model": "m", "signal": 9, "why": "no life sign", "hint": ""},
            "Nov 24 06:40:40 warning m: killed signal=9 why='no life sign' hint=''",
        ),
        ({"event": "bare"}, "info    bare"),
        ({"event": "odd", "level": "error", "timestamp": "noon"}, "noon error   odd"),
        (
            {"event": "bug", "level": "error", "exception": "Traceback\n  line"},
            "error   bug\n    Traceback\n      line",
        ),
        (
            {"event": "refused", "problems": ["f:1:2: wrong\n    x\n    ^", "f:3:4: too"], "n": 2},
            "info    refused n=2\n    f:1:2: wrong\n        x\n        ^\n    f:3:4: too",
        ),
    ],
)
def test_a_record_is_a_line(record: dict[str, Any], line: str) -> None:
    """When, how bad, of which model, what, and what is bound; what is long below it."""
    assert click.unstyle(record_line(record)) == line


@pytest.mark.parametrize(
    ("different", "line"),
    [
        (
            {"model": "m", "old": "starting", "new": "ready", "message": ""},
            "    7 08:00:00 m: starting → ready",
        ),
        (
            {"model": "m", "old": "ready", "new": "backoff", "message": "SIGKILL"},
            "    7 08:00:00 m: ready → backoff (SIGKILL)",
        ),
        ({"kind": "reload", "message": "applied"}, "    7 08:00:00 reload: applied"),
    ],
)
def test_an_event_is_a_line(different: dict[str, Any], line: str) -> None:
    """Its number, so that one can go on after it, when, about what, and what happened."""
    event = {"number": 7, "time": 1_800_000_000.0, "kind": "state", "model": ""}
    event |= {"old": "", "new": "", "message": ""}
    assert click.unstyle(event_line(event | different)) == line


def test_changes_are_aligned_and_what_stays_is_left_out() -> None:
    """Only what moves is of interest."""
    changes = [
        change("models.keep", "keep"),
        change("models.a", "replace", keys=["dtype", "source"], outcome="done"),
        change("gateway", "update"),
        change("models.broken", "start", outcome="failed", reason="no such file"),
    ]
    assert [click.unstyle(line) for line in changes_lines(changes)] == [
        "models.a       replace  done  (dtype, source)",
        "gateway        update",
        "models.broken  start    failed  no such file",
    ]


def test_no_change_is_said() -> None:
    """Silence would leave open whether something happened."""
    assert list(changes_lines([change(action="keep")])) == ["nothing changes"]
