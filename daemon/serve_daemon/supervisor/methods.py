"""The methods of io.servedaemon.Control, each a few lines over what the daemon can do."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from serve_daemon.config.problems import ConfigError
from serve_daemon.control.protocol import (
    CONFIG_REFUSED,
    OPERATION_FAILED,
    RELOAD_FAILED,
    UNKNOWN_MODEL,
    ControlError,
)
from serve_daemon.control.service import Call, Handler
from serve_daemon.supervisor.draining import Resumed
from serve_daemon.supervisor.events import Events
from serve_daemon.supervisor.logs import Log
from serve_daemon.supervisor.manager import Manager
from serve_daemon.supervisor.metrics_page import page
from serve_daemon.supervisor.metrics_view import facts
from serve_daemon.supervisor.models import ModelUnit
from serve_daemon.supervisor.pulling import PullFailed, Pulling
from serve_daemon.supervisor.reload import Instead, Reloader
from serve_daemon.supervisor.status import gateway_status, model_status
from serve_daemon.wire.messages import Progress
from serve_daemon.wire.pulling import Pulled

Replies = AsyncIterator[dict[str, Any]]


@dataclass(frozen=True)
class Methods:
    """Answers calls from the state that others own."""

    manager: Manager
    reloader: Reloader
    log: Log
    events: Events
    daemon_status: Callable[[], dict[str, Any]]
    shut_down: Callable[[str], None]

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "Status": self.status,
            "Reload": self.reload,
            "Plan": self.plan,
            "Start": self.start,
            "Stop": self.stop,
            "Restart": self.restart,
            "SetLogLevel": self.set_log_level,
            "Logs": self.logs,
            "Events": self.follow_events,
            "GetConfig": self.get_config,
            "GetPendingConfig": self.get_pending_config,
            "GetOrigins": self.get_origins,
            "History": self.history,
            "Metrics": self.metrics,
            "Drain": self.drain,
            "Resume": self.resume,
            "Pull": self.pull,
            "Shutdown": self.shutdown,
        }

    async def status(self, call: Call) -> Replies:
        name = call.parameters.get("model")
        models = [self._model(name)] if name else list(self.manager.models.values())
        now, count = asyncio.get_running_loop().time(), call.parameters.get("lines") or 0
        yield {
            "daemon": self.daemon_status(),
            "gateway": gateway_status(self.manager, now),
            "models": [
                model_status(each, self.manager, self.log.tails.last(each.unit.name, count), now)
                for each in models
            ],
        }

    async def reload(self, call: Call) -> Replies:
        self._demand_that_it_stays()
        with _refusing():
            reload = self.reloader.begin(f"uid {call.peer.uid} asked for it")
        changes = reload.changes
        if call.parameters["wait"]:
            changes = await reload.finished()
        if any(each.outcome == "failed" for each in changes):
            raise ControlError(RELOAD_FAILED, {"changes": _plain(changes)})
        yield {"changes": _plain(changes)}

    async def plan(self, call: Call) -> Replies:
        with _refusing():
            yield {"changes": _plain(self.reloader.preview(_instead(call)))}

    async def start(self, call: Call) -> Replies:
        self._demand_that_it_stays()
        model = self._model(call.parameters["model"])
        generation = model.unit.start(f"uid {call.peer.uid} asked for it")
        yield await self._settle(call, model, generation)

    async def stop(self, call: Call) -> Replies:
        unit = self._model(call.parameters["model"]).unit
        unit.stop(f"uid {call.peer.uid} stopped it")
        if call.parameters["wait"]:
            await unit.stopped()
        yield {}

    async def restart(self, call: Call) -> Replies:
        self._demand_that_it_stays()
        model = self._model(call.parameters["model"])
        generation = self.manager.restart(model.unit.name, f"uid {call.peer.uid} restarts it")
        yield await self._settle(call, model, generation)

    async def set_log_level(self, call: Call) -> Replies:
        try:
            self.manager.set_log_level(call.parameters["level"])
        except KeyError:
            message = "the levels are debug, info, warning and error"
            raise ControlError(OPERATION_FAILED, {"message": message}) from None
        yield {}

    async def logs(self, call: Call) -> Replies:
        name = call.parameters.get("model")
        model = self._model(name).unit.name if name else None
        count = call.parameters["lines"]
        with self.log.records.following() as following:
            kept = [each for each in self.log.records.last() if _concerns(each, model)]
            for record in kept[-count:] if count > 0 else []:
                yield {"record": record}
            if call.parameters["follow"]:
                async for record in following:
                    if _concerns(record, model):
                        yield {"record": record}

    async def follow_events(self, call: Call) -> Replies:
        since = call.parameters["since"]
        with self.events.feed.following() as following:
            for event in self.events.feed.last() if since else []:
                if event.number >= since:
                    yield {"event": msgspec.to_builtins(event)}
            if call.parameters["follow"]:
                async for event in following:
                    yield {"event": msgspec.to_builtins(event)}

    async def get_config(self, _call: Call) -> Replies:
        yield {"config": self.reloader.effective()}

    async def get_pending_config(self, call: Call) -> Replies:
        with _refusing():
            yield {"config": self.reloader.pending(_instead(call))}

    async def get_origins(self, call: Call) -> Replies:
        with _refusing():
            yield {"origins": self.reloader.origins(_instead(call))}

    async def history(self, _call: Call) -> Replies:
        entries, current = self.reloader.history()
        yield {"entries": _plain(entries), "current": current}

    async def metrics(self, _call: Call) -> Replies:
        yield {"text": page(facts(self.manager, self.reloader, self.daemon_status()))}

    async def drain(self, call: Call) -> Replies:
        self._demand_that_it_stays()
        draining, seconds = self.manager.draining, call.parameters.get("timeout")
        draining.begin(f"uid {call.peer.uid} drains it")
        try:
            async for count in draining.progress(math.inf if seconds is None else seconds):
                yield {"open_requests": count}
        except Resumed:
            raise ControlError(OPERATION_FAILED, {"message": "requests are taken again"}) from None

    async def resume(self, call: Call) -> Replies:
        self.manager.draining.end(f"uid {call.peer.uid} resumes")
        yield {}

    async def pull(self, call: Call) -> Replies:
        self._demand_that_it_stays()
        model = self.manager.find(call.parameters["source"])
        source = model.settings.source if model else call.parameters["source"]
        pulling = Pulling(self.log).pull(source, model.settings if model else None)
        try:
            async with contextlib.aclosing(pulling) as said:
                async for each in said:
                    yield {"download": _download(source, each)}
        except PullFailed as error:
            raise ControlError(OPERATION_FAILED, {"message": str(error)}) from None

    async def shutdown(self, call: Call) -> Replies:
        self.shut_down(f"uid {call.peer.uid} asked for it")
        yield {}

    def _demand_that_it_stays(self) -> None:
        """What would be started now would keep the daemon from its end."""
        if self.daemon_status()["state"] == "draining":
            raise ControlError(OPERATION_FAILED, {"message": "the daemon is stopping"})

    def _model(self, name: str) -> ModelUnit:
        model = self.manager.find(name)
        if model is None:
            known = sorted(self.manager.models)
            raise ControlError(UNKNOWN_MODEL, {"model": name, "known": known})
        return model

    async def _settle(self, call: Call, model: ModelUnit, generation: int) -> dict[str, Any]:
        if call.parameters["wait"] and (failure := await model.unit.settled(generation)):
            message = f"{model.unit.name}: {failure}"
            raise ControlError(OPERATION_FAILED, {"message": message})
        return {}


class _refusing:  # noqa: N801 - used as a statement
    """A configuration that is refused becomes the interface's error."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ConfigError):
            problems = [msgspec.to_builtins(each) for each in error.problems]
            raise ControlError(CONFIG_REFUSED, {"problems": problems}) from error


def _plain(changes: list[Any]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(each) for each in changes]


def _instead(call: Call) -> Instead | None:
    """The text that a call gives in place of a file's, if it gives one."""
    text, file = call.parameters.get("text"), call.parameters.get("file")
    return None if text is None else Instead(text, Path(file) if file else None)


def _download(source: str, said: Progress | Pulled) -> dict[str, Any]:
    """A `Download` of the interface."""
    if isinstance(said, Pulled):
        return {"source": source, "done": 0, "total": 0, "path": said.path}
    return {"source": source, "done": said.done, "total": said.total, "path": None}


def _concerns(record: dict[str, Any], model: str | None) -> bool:
    return model is None or record.get("model") == model
