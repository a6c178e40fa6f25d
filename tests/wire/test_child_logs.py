"""What a child program logs, read from its stderr as the supervisor reads it."""

import json
import subprocess
import sys
from typing import Any

PROGRAM = """
import logging
import warnings
import structlog
from serve_daemon.wire.logs import configure_child_logging, set_level
log = structlog.get_logger()
configure_child_logging({level!r})
{body}
"""


def records(body: str, level: str = "info") -> list[dict[str, Any]]:
    """What a program of its own writes to stderr: one JSON object a line."""
    source = PROGRAM.format(level=level, body=body)
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True, text=True)
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_an_event_is_one_json_object() -> None:
    """With its level, its time and what is bound, newlines and all."""
    (record,) = records('log.warning("it\\nhappened", request_id="r1", tokens=[1, 2])')
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "event": "it\nhappened",
        "level": "warning",
        "request_id": "r1",
        "tokens": [1, 2],
    }


def test_what_is_bound_in_the_context_is_told() -> None:
    """A request's id needs not be passed through every call."""
    (record,) = records('structlog.contextvars.bind_contextvars(model="m")\nlog.info("here")')
    assert record["model"] == "m"


def test_records_below_the_level_are_dropped() -> None:
    """The level can be changed while the program runs."""
    body = 'log.info("one"); log.warning("two"); set_level("debug"); log.debug("three")'
    assert [each["event"] for each in records(body, "warning")] == ["two", "three"]


def test_an_exception_brings_its_traceback() -> None:
    """Inside the record, so that its lines stay together."""
    body = 'try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception("failed")'
    (record,) = records(body)
    assert record["level"] == "error"
    assert "ZeroDivisionError: division by zero" in record["exception"]


def test_warnings_of_libraries_are_records_too() -> None:
    """Those of `logging` and those of `warnings`; their chatter is not for an operator."""
    body = (
        'library = logging.getLogger("lib")\n'
        'library.info("chatter"); library.warning("beware of %s", "it"); library.error("broken")\n'
        'warnings.warn("soon gone", FutureWarning)'
    )
    beware, broken, gone = records(body)
    assert (beware["event"], beware["level"]) == ("beware of it", "warning")
    assert (broken["event"], broken["level"], broken["library"]) == ("broken", "error", "lib")
    assert "soon gone" in gone["event"]
