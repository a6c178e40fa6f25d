"""Events and changes as lines."""

import time
from typing import Any

import click
import pytest

from cli.documents import change
from serve_daemon.cli.lines import changes_lines, event_line


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


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
        (
            {"kind": "reload", "message": "refused\nf:1:2: wrong\n    x"},
            "    7 08:00:00 reload: refused\n          f:1:2: wrong\n              x",
        ),
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


def test_a_change_tells_of_its_memory_and_who_waits() -> None:
    """Below its line, a line for each device."""
    gibibyte = 2**30
    memory = {"before": gibibyte, "during": gibibyte * 3, "after": gibibyte * 2}
    planned = change(
        memory=[{"device": each, **memory} for each in ("cuda:0", "cuda:1")], requests_wait=True
    )
    assert [click.unstyle(line) for line in changes_lines([planned])] == [
        "models.m  replace",
        "          memory of cuda:0: 1.0G now, 3.0G meanwhile, 2.0G after",
        "          memory of cuda:1: 1.0G now, 3.0G meanwhile, 2.0G after",
        "          requests wait: the old engine leaves before the new one has room",
    ]
