"""The daemon's log: one structlog pipeline, kept for `servectl logs`, written to stderr.

A terminal gets readable lines, the journal its native fields, anything else JSON lines.
"""

import json
import logging
import os
import re
import socket
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import click
import structlog

from serve_daemon.supervisor.feed import Feed
from serve_daemon.wire.lines import record_line
from serve_daemon.wire.logs import LEVELS

KEPT_RECORDS = 2000
KEPT_OF_A_MODEL = 200
KEPT_MODELS = 256
JOURNAL_SOCKET = "/run/systemd/journal/socket"
_NOT_IN_A_FIELD_NAME = re.compile(r"[^A-Z0-9_]")
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}

Record = MutableMapping[str, Any]
Write = Callable[[Record], None]


class Tails:
    """The last records of each model, of whatever level, so that none drowns in another's.

    Bounded: of too many models the one that wrote least recently is forgotten.
    """

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()

    def add(self, model: str, record: dict[str, Any]) -> None:
        self._of.setdefault(model, deque(maxlen=KEPT_OF_A_MODEL)).append(record)
        self._of.move_to_end(model)
        if len(self._of) > KEPT_MODELS:
            self._of.popitem(last=False)

    def last(self, model: str, count: int) -> list[dict[str, Any]]:
        """Up to `count` of them, oldest first."""
        kept = list(self._of.get(model, ()))
        return kept[max(len(kept) - count, 0) :]


class Log:
    """Where every record of the daemon and of its children ends."""

    def __init__(self) -> None:
        self.records: Feed[dict[str, Any]] = Feed(KEPT_RECORDS)
        self.tails = Tails()
        self.set_level("info")
        self.set_format("auto")

    def set_level(self, level: str) -> None:
        self._least = LEVELS[level]
        self.level = level

    def set_format(self, log_format: str) -> None:
        self._write = writer(log_format)

    def configure(self) -> None:
        """Make structlog's loggers write here."""
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                self._take,
            ],
            cache_logger_on_first_use=True,
        )

    def add(self, record: Record) -> None:
        """Take a finished record: event, level, timestamp, and what is bound."""
        if "model" in record and record.get("program") != "gateway":  # that tells of each request
            self.tails.add(str(record["model"]), dict(record))
        if LEVELS.get(record["level"], logging.ERROR) >= self._least:
            self.records.add(dict(record))
            self._write(record)

    def add_line(self, line: str, bound: Mapping[str, str]) -> None:
        """Take a line that a child wrote to stderr, a record of its own or raw text."""
        record = _parse(line)
        if record is not None:
            self.add(record | dict(bound))
        elif line.strip():
            structlog.get_logger().info(line, stream="stderr", **bound)

    def _take(self, _logger: object, _method: str, record: Record) -> Record:
        self.add(record)
        raise structlog.DropEvent


def _parse(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    is_ours = isinstance(record, dict) and all(
        isinstance(record.get(key), str) for key in ("event", "level")
    )
    return record if is_ours else None


def writer(log_format: str) -> Write:
    """How records are written, for a value of [log] format."""
    if log_format == "auto":
        log_format = _detect()
    return {"console": _console, "json": _json, "journal": _journal}[log_format]()


def _detect() -> str:
    if sys.stderr.isatty():
        return "console"
    status = os.fstat(sys.stderr.fileno())
    is_journal = os.environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"
    return "journal" if is_journal else "json"


def _console() -> Write:
    """As `servectl logs` shows it; NO_COLOR, see no-color.org."""
    is_coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    shown = str if is_coloured else click.unstyle
    return lambda record: _print(shown(record_line(record)))


def _json() -> Write:
    return lambda record: _print(json.dumps(record, default=str))


def _print(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _journal() -> Write:
    """Native records, see systemd's "Native Journal Protocol"."""
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    fallback = _json()

    def write(record: Record) -> None:
        try:
            journal.sendto(journal_datagram(record), JOURNAL_SOCKET)
        except OSError:  # too large for a datagram, or no journal there
            fallback(record)

    return write


def journal_datagram(record: Mapping[str, Any]) -> bytes:
    """The record as journal fields: MESSAGE, PRIORITY, and SERVE_* for what is bound."""
    fields = {
        "MESSAGE": str(record["event"]),
        "PRIORITY": str(PRIORITIES.get(record["level"], 6)),
        "SYSLOG_IDENTIFIER": "serve-daemon",
    }
    for key, value in record.items():
        if key not in ("event", "level", "timestamp"):
            fields[f"SERVE_{_NOT_IN_A_FIELD_NAME.sub('_', key.upper())}"] = str(value)
    return b"".join(_journal_field(key, value.encode()) for key, value in fields.items())


def _journal_field(key: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return key.encode() + b"=" + value + b"\n"
    return key.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
