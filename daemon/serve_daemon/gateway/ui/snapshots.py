"""The state of the daemon as the page shows it, and so much of it as one client may see."""

import time
from typing import Any

from msgspec import Struct, structs

from serve_daemon.control.async_client import AsyncClient
from serve_daemon.gateway.common.asking import Asker
from serve_daemon.gateway.ui.machine import Device, devices


class Snapshot(Struct, frozen=True):
    """As `Status` of the control interface has it, and the memory of the machine."""

    time: float  # Unix seconds, by this machine's clock
    daemon: dict[str, Any]
    gateway: dict[str, Any]
    models: list[dict[str, Any]]
    devices: list[Device]


async def take(client: AsyncClient) -> Snapshot:
    """The state now. Raises `Unreachable` or `ControlError`."""
    status = await client.call("Status")
    models: list[dict[str, Any]] = status["models"]
    named = {each for model in models for each in str(model["device"]).split(", ")}
    found = await devices(named)
    return Snapshot(time.time(), status["daemon"], status["gateway"], models, found)


def seen_by(snapshot: Snapshot, asker: Asker) -> Snapshot:
    """Without the models that are none of its business."""
    models = [each for each in snapshot.models if asker.may_use(each["name"])]
    return structs.replace(snapshot, models=models)


def event_seen_by(event: dict[str, Any], asker: Asker) -> dict[str, Any] | None:
    """The event; None where it is about a model that is none of its business.

    What is about no model is told in its first line: those below name models.
    """
    if event["model"]:
        return event if asker.may_use(event["model"]) else None
    if not asker.models:
        return event
    return event | {"message": event["message"].partition("\n")[0]}
