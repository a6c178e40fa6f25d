"""What has happened to the daemon and its models, as numbered events."""

import time
from enum import StrEnum

from msgspec import Struct

from serve_daemon.supervisor.feed import Feed

KEPT_EVENTS = 1000


class Kind(StrEnum):
    STATE = "state"  # a model's state has changed
    MODEL = "model"  # something about a model that leaves its state as it is
    RELOAD = "reload"
    GATEWAY = "gateway"
    DAEMON = "daemon"


class Event(Struct, frozen=True):
    """As the control interface has it."""

    number: int
    time: float  # Unix seconds
    kind: Kind
    model: str = ""
    old: str = ""
    new: str = ""
    message: str = ""


class Events:
    def __init__(self) -> None:
        self.feed: Feed[Event] = Feed(KEPT_EVENTS)
        self._number = 0

    def publish(
        self, kind: Kind, message: str, *, model: str = "", step: tuple[str, str] = ("", "")
    ) -> None:
        self._number += 1
        old, new = step
        self.feed.add(Event(self._number, time.time(), kind, model, old, new, message))
