"""The daemon's log: what is kept, what is dropped, and how a record looks where it is written."""

import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from serve_daemon.supervisor.logs import (
    KEPT_MODELS,
    KEPT_OF_A_MODEL,
    Log,
    journal_datagram,
    writer,
)

BOUND = {"program": "engine", "model": "m"}


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    """A log that structlog writes to, with stderr captured; all is as before afterwards."""
    log = Log()
    log.set_format("json")
    log.configure()
    structlog.configure(cache_logger_on_first_use=False)
    yield log
    structlog.reset_defaults()
    capfd.readouterr()


def test_a_record_is_kept_and_written(log: Log, capfd: pytest.CaptureFixture[str]) -> None:
    """With its level, its time and what is bound."""
    structlog.get_logger().warning("state changed", model="m", old="ready")
    (kept,) = log.records.last()
    written = json.loads(capfd.readouterr().err)
    assert kept == written
    assert written.pop("timestamp").endswith("Z")
    assert written == {
        "event": "state changed",
        "level": "warning",
        "model": "m",
        "old": "ready",
    }


def test_records_below_the_level_are_dropped(log: Log) -> None:
    """Also those of children that have not heard of the new level yet."""
    log.set_level("warning")
    structlog.get_logger().info("no")
    log.add_line('{"event": "no", "level": "info"}', BOUND)
    structlog.get_logger().error("yes")
    log.add_line('{"event": "yes", "level": "warning"}', BOUND)
    assert [each["event"] for each in log.records.last()] == ["yes", "yes"]


def test_an_unknown_level_changes_nothing(log: Log) -> None:
    """Children are configured with the level that stands here."""
    with pytest.raises(KeyError):
        log.set_level("loud")
    assert log.level == "info"


def test_a_childs_record_is_re_emitted_as_it_is(log: Log) -> None:
    """With what the supervisor knows of the child, which the child can't gainsay."""
    line = {"event": "loaded", "level": "info", "timestamp": "T", "seconds": 2, "model": "x"}
    log.add_line(json.dumps(line), BOUND)
    assert log.records.last() == [line | BOUND]


@pytest.mark.parametrize(
    "line",
    [
        "Segmentation fault",
        "{not json",
        '{"event": "no level"}',
        '{"event": "a level of no kind", "level": ["info"]}',
        '{"level": "info", "event": 7}',
    ],
)
def test_any_other_line_of_a_child_becomes_a_record(log: Log, line: str) -> None:
    """Raw stderr, for example of a C library."""
    log.add_line(line, BOUND)
    (record,) = log.records.last()
    assert record["event"] == line
    assert (record["stream"], record["model"], record["level"]) == ("stderr", "m", "info")


def test_empty_lines_are_no_records(log: Log) -> None:
    """Nothing was said."""
    log.add_line("  ", BOUND)
    assert log.records.last() == []


def test_a_model_keeps_its_own_last_records(log: Log) -> None:
    """Whatever the level, and however much others write; an engine without end costs no memory."""
    log.set_level("error")
    for number in range(KEPT_OF_A_MODEL + 5):
        log.add_line(json.dumps({"event": str(number), "level": "info"}), BOUND)
    structlog.get_logger().info("of the daemon")
    structlog.get_logger().info("a request", program="gateway", model="m")
    assert [each["event"] for each in log.tails.last("m", 2)] == ["203", "204"]
    assert len(log.tails.last("m", 1000)) == KEPT_OF_A_MODEL
    assert log.tails.last("m", 0) == log.tails.last("other", 9) == []


def test_of_too_many_models_the_quietest_is_forgotten(log: Log) -> None:
    """Models come and go with the file; what is kept of them must not only grow."""
    for number in range(KEPT_MODELS):
        log.add({"event": "x", "level": "info", "model": str(number)})
    log.add({"event": "y", "level": "info", "model": "0"})
    log.add({"event": "x", "level": "info", "model": "one more"})
    assert log.tails.last("1", 9) == []
    assert [each["event"] for each in log.tails.last("0", 9)] == ["x", "y"]


def fields_of(datagram: bytes) -> dict[str, bytes]:
    """Read a datagram as journald does, see systemd's "Native Journal Protocol"."""
    fields = {}
    while datagram:
        head, _, datagram = datagram.partition(b"\n")
        name, is_simple, value = head.partition(b"=")
        if not is_simple:
            size = int.from_bytes(datagram[:8], "little")
            value, datagram = datagram[8 : 8 + size], datagram[8 + size :]
            assert datagram[:1] == b"\n"
            datagram = datagram[1:]
        fields[name.decode()] = value
    return fields


def test_a_journal_datagram_has_native_fields() -> None:
    """MESSAGE and PRIORITY are the journal's own; ours begin with SERVE_."""
    record = {"event": "crashed = bad", "level": "error", "timestamp": "T", "model": "m", "n": 3}
    assert fields_of(journal_datagram(record)) == {
        "MESSAGE": b"crashed = bad",
        "PRIORITY": b"3",
        "SYSLOG_IDENTIFIER": b"serve-daemon",
        "SERVE_MODEL": b"m",
        "SERVE_N": b"3",
    }


def test_values_of_many_lines_are_length_prefixed() -> None:
    """A value can't pretend to be another field."""
    record = {"event": "a\nPRIORITY=0", "level": "debug", "exception": "Traceback\n  ü\n"}
    fields = fields_of(journal_datagram(record))
    assert fields["MESSAGE"] == b"a\nPRIORITY=0"
    assert fields["SERVE_EXCEPTION"] == "Traceback\n  ü\n".encode()
    assert fields["PRIORITY"] == b"7"


def test_keys_that_are_no_field_names_are_made_so() -> None:
    """A child may bind any key; a newline in it must not make a field of its own."""
    record = {"event": "x", "level": "info", "a b\nPRIORITY": 1, "naïve": 2}
    fields = fields_of(journal_datagram(record))
    assert fields["PRIORITY"] == b"6"
    assert fields["SERVE_A_B_PRIORITY"] == b"1"
    assert fields["SERVE_NA_VE"] == b"2"


JOURNAL = """
import sys
from serve_daemon.supervisor import logs
logs.JOURNAL_SOCKET = sys.argv[1]
logs.writer("journal")({"event": "it happened", "level": "info"})
"""


def written_to_journal(path: Path) -> str:
    """What a program that logs one record to the journal at `path` writes to stderr instead."""
    command = [sys.executable, "-c", JOURNAL, str(path)]
    return subprocess.run(command, stderr=subprocess.PIPE, check=True, text=True).stderr


def test_the_journal_gets_datagrams(tmp_path: Path) -> None:
    """And where there is none, nothing is lost: the record goes to stderr."""
    path = tmp_path / "journal"
    assert json.loads(written_to_journal(path))["event"] == "it happened"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        assert written_to_journal(path) == ""
        assert fields_of(journal.recv(4096))["MESSAGE"] == b"it happened"


DETECT = "from serve_daemon.supervisor import logs; print(logs._detect())"


def detected(stderr: int, journal_stream: str) -> str:
    """What a program with this stderr takes for its format."""
    ran = subprocess.run(
        [sys.executable, "-c", DETECT],
        env=os.environ | {"JOURNAL_STREAM": journal_stream},
        stdout=subprocess.PIPE,
        stderr=stderr,
        check=True,
        text=True,
    )
    return ran.stdout.strip()


def test_the_format_follows_stderr(tmp_path: Path) -> None:
    """A terminal, the journal, or anything else."""
    controller, terminal = pty.openpty()
    try:
        assert detected(terminal, "") == "console"
    finally:
        os.close(controller)
        os.close(terminal)
    with (tmp_path / "stderr").open("w") as file:
        status = os.fstat(file.fileno())
        assert detected(file.fileno(), f"{status.st_dev}:{status.st_ino}") == "journal"
        assert detected(file.fileno(), f"{status.st_dev}:{status.st_ino + 1}") == "json"
        assert detected(file.fileno(), "") == "json"


def test_the_console_shows_what_servectl_logs_shows(capfd: pytest.CaptureFixture[str]) -> None:
    """For people: a line, and problems below it with their carets; no colour in a file."""
    record = {"event": "ready", "level": "info", "timestamp": "T", "model": "m"}
    writer("console")(record | {"problems": ["f:1:2: wrong\n    x\n    ^"]})
    line = "T info    m: ready\n    f:1:2: wrong\n        x\n        ^\n"
    assert capfd.readouterr().err == line


@pytest.mark.parametrize(("no_colour", "is_coloured"), [("", True), ("1", False)])
def test_a_terminal_is_coloured_unless_it_is_not_wanted(no_colour: str, is_coloured: bool) -> None:
    """As no-color.org has it: set and not empty."""
    controller, terminal = pty.openpty()
    with os.fdopen(controller, "rb", buffering=0) as shown, os.fdopen(terminal, "wb") as stderr:
        written = "writer('auto')({'event': 'bad', 'level': 'error'})"
        subprocess.run(
            [sys.executable, "-c", f"from serve_daemon.supervisor.logs import writer; {written}"],
            env=os.environ | {"NO_COLOR": no_colour},
            stderr=stderr,
            check=True,
        )
        assert (b"\x1b[" in shown.read(1000)) is is_coloured
