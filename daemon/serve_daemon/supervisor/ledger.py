"""What happens, written down once: a log record and an event for each decision."""

import structlog

from serve_daemon.supervisor.events import Events, Kind
from serve_daemon.supervisor.logs import Log
from serve_daemon.supervisor.ports import Supervised
from serve_daemon.supervisor.states import State

GATEWAY = ""  # its unit's name, which no model can have
BAD_NEWS = frozenset({State.BACKOFF, State.FAILED})
FALL_BACK = (State.READY, State.STARTING)  # the serving engine is lost, its successor loads

logger = structlog.get_logger()


class Ledger:
    def __init__(self, log: Log, events: Events) -> None:
        self.log = log
        self.events = events

    def moved(self, unit: Supervised, old: State, reason: str) -> None:
        """A unit has gone from `old` to its present state."""
        is_bad = unit.state in BAD_NEWS or (old, unit.state) == FALL_BACK
        record = logger.warning if is_bad else logger.info
        why = {"reason": reason} if reason else {}
        record("state changed", **_subject(unit), old=str(old), new=str(unit.state), **why)
        kind = Kind.GATEWAY if unit.name == GATEWAY else Kind.STATE
        self._publish(kind, unit, reason, (old, unit.state))

    def noted(self, unit: Supervised, message: str) -> None:
        logger.info(message, **_subject(unit))
        kind = Kind.GATEWAY if unit.name == GATEWAY else Kind.MODEL
        self._publish(kind, unit, message, ("", ""))

    def daemon(self, message: str, kind: Kind = Kind.DAEMON) -> None:
        logger.info(message)
        self.events.publish(kind, message)

    def reload(self, message: str, details: list[str]) -> None:
        logger.info(message, changes=details)
        self.events.publish(Kind.RELOAD, "\n".join([message, *details]))

    def refused(self, message: str, problems: list[str]) -> None:
        logger.error(message, problems=problems)
        self.events.publish(Kind.RELOAD, "\n".join([message, *problems]))

    def _publish(self, kind: Kind, unit: Supervised, message: str, step: tuple[str, str]) -> None:
        self.events.publish(kind, message, model=unit.name, step=(str(step[0]), str(step[1])))


def _subject(unit: Supervised) -> dict[str, str]:
    return {"program": "gateway"} if unit.name == GATEWAY else {"model": unit.name}
