"""What has happened, numbered."""

import time

import msgspec

from serve_daemon.control.interface import load
from serve_daemon.control.protocol import INTERFACE
from serve_daemon.supervisor import events as events_module
from serve_daemon.supervisor.events import Events, Kind


def test_events_are_numbered_from_one() -> None:
    """So that one who was away can ask for what it has missed."""
    events = Events()
    before = time.time()
    events.publish(Kind.DAEMON, "starts")
    events.publish(Kind.STATE, "why", model="m", step=("starting", "ready"))
    first, second = events.feed.last()
    assert (first.number, second.number) == (1, 2)
    assert before <= first.time <= second.time <= time.time()
    assert (second.model, second.old, second.new) == ("m", "starting", "ready")


def test_the_oldest_are_forgotten() -> None:
    """Their numbers are not given again."""
    events = Events()
    for _ in range(events_module.KEPT_EVENTS + 5):
        events.publish(Kind.DAEMON, "tick")
    kept = events.feed.last()
    assert len(kept) == events_module.KEPT_EVENTS
    assert (kept[0].number, kept[-1].number) == (6, events_module.KEPT_EVENTS + 5)


def test_an_event_is_as_the_interface_has_it() -> None:
    """It goes on the control socket as it is."""
    interface = load(INTERFACE)
    events = Events()
    for kind in Kind:
        events.publish(kind, "message", model="m", step=("a", "b"))
    for event in events.feed.last():
        assert interface.fault(msgspec.to_builtins(event), interface.types["Event"]) == ""
