"""How things stand at the moment, as the page of metrics wants to know it."""

import asyncio
import time
from typing import Any

from serve_daemon.supervisor.connections import open_connections, ports_of
from serve_daemon.supervisor.instance import Phase
from serve_daemon.supervisor.manager import Manager
from serve_daemon.supervisor.metrics_facts import Facts
from serve_daemon.supervisor.reload import Reloader
from serve_daemon.supervisor.status import model_figures


def facts(manager: Manager, reloader: Reloader, daemon: dict[str, Any]) -> Facts:
    """Now; `daemon` is a `Daemon` of the control interface."""
    metrics, now = manager.metrics, asyncio.get_running_loop().time()
    for each in manager.models.values():
        metrics.look_at(each.unit)
    metrics.look_at_gateways(manager.gateway)
    ready = [each for each in manager.gateway.instances() if each.phase is Phase.READY]
    return Facts(
        daemon=daemon,
        models=[model_figures(each, manager, now) for each in manager.models.values()],
        totals=metrics.totals,
        num_gateways=len(ready),
        reloads=reloader.outcomes,
        connections=open_connections(ports_of(manager.listening_on())),
        now=time.time(),
    )
