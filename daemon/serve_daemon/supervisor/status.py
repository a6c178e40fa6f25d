"""The state as the control interface tells it. Reads, changes nothing."""

import os
import time
from typing import Any

import msgspec

from serve_daemon.supervisor.exits import explain, signal_name
from serve_daemon.supervisor.group import Group
from serve_daemon.supervisor.instance import Instance, Phase
from serve_daemon.supervisor.machine import Need
from serve_daemon.supervisor.manager import Manager
from serve_daemon.supervisor.memory import resident_bytes
from serve_daemon.supervisor.models import ModelUnit
from serve_daemon.supervisor.room import peak_bytes
from serve_daemon.supervisor.unit import Unit
from serve_daemon.wire.messages import EngineHeartbeat, EngineReady
from serve_daemon.wire.routing import GatewayHeartbeat


def model_status(
    model: ModelUnit, manager: Manager, records: list[dict[str, Any]], now: float
) -> dict[str, Any]:
    """A `Model` of the interface; `now` is the event loop's time."""
    unit, settings, serving = model.unit, model.settings, model.unit.serving
    ready = serving.ready if serving and isinstance(serving.ready, EngineReady) else None
    return {
        **model_figures(model, manager, now),
        "reason": unit.reason,
        "since": _unix(unit.since, now),
        "pid": serving.pid if serving else None,
        "engine": settings.engine,
        "source": settings.source,
        "profile": settings.profile,
        "aliases": list(settings.aliases),
        "device": ready.device if ready else ", ".join(settings.devices),
        "dtype": ready.dtype if ready else settings.dtype,
        "attn_implementation": (
            ready.attn_implementation if ready else settings.attn_implementation
        ),
        "max_requests": ready.max_requests if ready else settings.max_requests,
        "max_context": ready.max_context if ready else settings.max_context,
        "estimate": _estimate(manager.room.need(unit.spec[0])),
        "restarts": unit.restarts,
        "retry_in": None if unit.retry_at is None else max(unit.retry_at - now, 0.0),
        "last_exit": _last_exit(unit, now),
        "log": records,
    }


def model_figures(model: ModelUnit, manager: Manager, now: float) -> dict[str, Any]:
    """Those of a `Model`'s fields that are soon told, however many models there are."""
    unit = model.unit
    is_open, queued = manager.metrics.open_requests(manager.gateway.instances(), unit.name)
    return {
        "name": unit.name,
        "state": unit.state,
        "memory": sum(_used_bytes(each) for each in unit.instances()),
        "peak_memory": sum(peak_bytes(each) for each in unit.instances()),
        "memory_max": manager.shares.memory_max(model.settings) or None,
        "open_requests": is_open,
        "queued": queued,
        "tokens_per_second": sum(each.pace.per_second(now) for each in unit.instances()),
        "replicas": [
            _replica(each, member, now)
            for member in unit.all_units()
            for each in member.instances()
        ],
    }


def _replica(instance: Instance, unit: Unit, now: float) -> dict[str, Any]:
    beat = instance.heartbeat
    if not isinstance(beat, EngineHeartbeat):
        beat = EngineHeartbeat(0, 0, 0, 0, 0.0)
    roles = {id(unit.serving): "serving", id(unit.coming): "successor"}
    return {
        "id": instance.identity,
        "pid": instance.pid,
        "phase": instance.phase,
        "device": _device(instance),
        "role": roles.get(id(instance), "leaving"),
        "running": beat.running,
        "waiting": beat.waiting,
        "steps": beat.steps,
        "generated_tokens": beat.generated_tokens,
        "prompt_tokens": beat.prompt_tokens,
        "kv_cache_usage": beat.kv_cache_usage,
        "tokens_per_second": instance.pace.per_second(now),
        "uptime": now - instance.started_at,
        "progress": _progress(instance, beat),
        **_progress_bytes(instance),
        "memory": _used_bytes(instance),
        "peak_memory": peak_bytes(instance),
    }


def _used_bytes(instance: Instance) -> int:
    on_gpu = _device(instance).startswith("cuda")
    return peak_bytes(instance) if on_gpu else resident_bytes(instance.pid)


def _device(instance: Instance) -> str:
    """Where it runs, or is to run."""
    ready = instance.ready
    device: str = ready.device if isinstance(ready, EngineReady) else instance.spec.spec.device
    return device


def _estimate(need: Need | None) -> dict[str, int] | None:
    """An `Estimate` of the interface."""
    if need is None:
        return None
    return {**msgspec.structs.asdict(need.estimate), "total": need.estimate.total}


def _progress(instance: Instance, beat: EngineHeartbeat) -> str:
    progress = instance.progress
    if instance.phase is Phase.STARTING and progress is not None:
        return f"{progress.phase} {progress.detail}".strip()
    return "compiling" if beat.is_compiling else ""


def _progress_bytes(instance: Instance) -> dict[str, int]:
    """How far it is, of a download."""
    progress = instance.progress if instance.phase is Phase.STARTING else None
    return {
        "progress_done": progress.done if progress else 0,
        "progress_total": progress.total if progress else 0,
    }


def _last_exit(unit: Group, now: float) -> dict[str, Any] | None:
    """An `Exit` of the interface."""
    if unit.last_exit is None:
        return None
    ended = unit.last_exit.ended
    why, name = explain(ended), signal_name(ended.returncode)
    return {
        "id": unit.last_exit.identity,
        "time": _unix(unit.last_exit.at, now),
        "result": why.result,
        "status": None if name else ended.returncode,
        "signal": name,
        "message": why.message,
    }


def gateway_status(manager: Manager, now: float) -> dict[str, Any]:
    unit = manager.gateway
    beats = [
        each.heartbeat for each in unit.instances() if isinstance(each.heartbeat, GatewayHeartbeat)
    ]
    return {
        "state": unit.state,
        "reason": unit.reason,
        "pid": unit.serving.pid if unit.serving else None,
        "listen": manager.listening_on(),
        "draining": manager.draining.is_on,
        "open_requests": sum(each.open_requests for each in beats),
        "requests": sum(each.requests for each in beats),
        "failures": sum(each.failures for each in beats),
        "restarts": unit.restarts,
        "last_exit": _last_exit(unit, now),
    }


def own_memory() -> int:
    return resident_bytes(os.getpid())


def summary(manager: Manager) -> str:
    """One line for systemd's STATUS=."""
    models = [f"{name}: {each.unit.state}" for name, each in sorted(manager.models.items())]
    gateway = f"gateway: {manager.gateway.state}"
    gateway += ", draining" if manager.draining.is_on else ""
    return "; ".join([gateway, *models])


def _unix(loop_time: float, now: float) -> float:
    return time.time() - (now - loop_time)
