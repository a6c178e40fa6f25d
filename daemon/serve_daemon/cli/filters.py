"""Which records of the log, and which events, are asked for."""

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import click

LEVELS = ("debug", "info", "warning", "error")
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_AGO = re.compile(r"(\d+)(s|min|h|d)")


class Moment(click.ParamType[float]):
    """A point in time, in Unix seconds: so long ago, or a date and time."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if ago := _AGO.fullmatch(str(value)):
            return time.time() - int(ago[1]) * SECONDS[ago[2]]
        try:
            return datetime.fromisoformat(str(value)).timestamp()
        except ValueError:
            self.fail(f"{value}: write 10min, 2h, or 2026-11-27T08:00", param, ctx)


class Filter(NamedTuple):
    """What a record has to be."""

    level: str | None = None  # or worse
    request: str | None = None
    since: float | None = None  # Unix seconds

    @property
    def lets_all_pass(self) -> bool:
        return self == Filter()

    def takes(self, record: Mapping[str, Any]) -> bool:
        return (
            (self.level is None or _rank(record.get("level")) >= LEVELS.index(self.level))
            and (self.request is None or record.get("request_id") == self.request)
            and (self.since is None or _is_since(record.get("timestamp"), self.since))
        )


def _rank(level: object) -> int:
    """A level that is not known is the worst."""
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def _is_since(timestamp: object, since: float) -> bool:
    """A record without a time is shown."""
    try:
        return datetime.fromisoformat(str(timestamp)).timestamp() >= since
    except ValueError:
        return True
