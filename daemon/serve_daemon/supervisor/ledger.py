"""What happens, written down: a log record and an event for each decision.

An event stands for itself. The log is read as a whole, so it has each thing once: what an engine
has said of its failure stands there in its own words, and a reason that was told is not told again.
"""

from weakref import WeakKeyDictionary

import structlog

from serve_daemon.supervisor.events import Events, Kind
from serve_daemon.supervisor.exits import LastExit, explain
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
        self._told: WeakKeyDictionary[Supervised, tuple[str, LastExit | None]] = WeakKeyDictionary()

    def moved(self, unit: Supervised, old: State, reason: str) -> None:
        """A unit has gone from `old` to its present state."""
        is_bad = unit.state in BAD_NEWS or (old, unit.state) == FALL_BACK
        record = logger.warning if is_bad else logger.info
        step = {"old": str(old), "new": str(unit.state)}
        record("state changed", **_subject(unit), **step, **self._why(unit, reason))
        kind = Kind.GATEWAY if unit.name == GATEWAY else Kind.STATE
        self._publish(kind, unit, reason, (old, unit.state))

    def noted(self, unit: Supervised, message: str, reason: str = "") -> None:
        """Something has happened to a unit that leaves its state as it is."""
        logger.info(message, **_subject(unit), **self._why(unit, reason))
        kind = Kind.GATEWAY if unit.name == GATEWAY else Kind.MODEL
        self._publish(kind, unit, f"{message}: {reason}" if reason else message, ("", ""))

    def daemon(self, message: str, kind: Kind = Kind.DAEMON) -> None:
        logger.info(message)
        self.events.publish(kind, message)

    def reload(self, message: str, details: list[str]) -> None:
        logger.info(message, changes=details)
        self.events.publish(Kind.RELOAD, "\n".join([message, *details]))

    def reload_failed(self, failures: dict[str, str]) -> None:
        """`failures` are the reasons, by what has failed."""
        told = {reason for reason, _ in self._told.values()}
        failed = [
            subject if reason in told else f"{subject}: {reason}"
            for subject, reason in failures.items()
        ]
        logger.error("reload failed", failed=failed)
        details = [f"{subject}: {reason}" for subject, reason in failures.items()]
        self.events.publish(Kind.RELOAD, "\n".join(["reload failed", *details]))

    def refused(self, message: str, problems: list[str]) -> None:
        logger.error(message, problems=problems)
        self.events.publish(Kind.RELOAD, "\n".join([message, *problems]))

    def _why(self, unit: Supervised, reason: str) -> dict[str, str]:
        """What the log has not got of a reason, under the names of a record's fields."""
        news = (reason, unit.last_exit)
        if not reason or self._told.get(unit) == news:
            return {}
        self._told[unit] = news
        if unit.last_exit is not None and unit.last_exit.ended.failing is not None:
            explanation = explain(unit.last_exit.ended)
            if explanation.reason == reason:
                return {"result": explanation.result, "engine_id": unit.last_exit.identity}
        return {"reason": reason}

    def _publish(self, kind: Kind, unit: Supervised, message: str, step: tuple[str, str]) -> None:
        self.events.publish(kind, message, model=unit.name, step=(str(step[0]), str(step[1])))


def _subject(unit: Supervised) -> dict[str, str]:
    return {"program": "gateway"} if unit.name == GATEWAY else {"model": unit.name}
