"""Log records as lines."""

import time
from typing import Any

import click
import pytest

from serve_daemon.wire.lines import record_line


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
        ({"event": "request", "path": "/\x1b[2J"}, "info    request path='/\\x1b[2J'"),
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
