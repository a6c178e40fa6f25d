"""The routing table that gateways work by, and when an engine that left it may go."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from serve_daemon.supervisor.exits import explain
from serve_daemon.supervisor.instance import Instance, Limits, Phase
from serve_daemon.supervisor.models import ModelUnit
from serve_daemon.supervisor.programs import Directories
from serve_daemon.supervisor.states import WILL_SERVE
from serve_daemon.wire.messages import Drain, EngineReady
from serve_daemon.wire.routing import EngineAddress, EngineEnded, Route, Routes


@dataclass(frozen=True)
class _Leaving:
    instance: Instance
    limits: Limits
    version: int  # the first table without it


class Routing:
    """Publishes the table; releases an engine once every gateway works by a table without it.

    Only then can no gateway begin anything there, so an engine that has no connection left has
    nothing left to do.
    """

    def __init__(
        self,
        directories: Directories,
        models: Callable[[], Iterable[ModelUnit]],
        gateways: Callable[[], Iterable[Instance]],
    ) -> None:
        self._directories = directories
        self._models = models
        self._gateways = gateways
        self._version = 0
        self._applied: dict[Instance, int] = {}
        self._leaving: list[_Leaving] = []

    def table(self) -> Routes:
        return Routes(self._version, [self._route(each) for each in self._models()])

    def publish(self) -> None:
        self._version += 1
        table = self.table()
        for gateway in self._gateways():
            gateway.process.send(table)

    def withdraw(self, instance: Instance, limits: Limits) -> None:
        """Take an engine that serves no longer out of the table, then let it drain."""
        self.publish()
        self._leaving.append(_Leaving(instance, limits, self._version))
        self.release_withdrawn()

    def tell_end(self, instance: Instance) -> None:
        """Tell the gateways why an engine is gone: they must know if a request may have done it."""
        if instance.ended is not None:
            why = explain(instance.ended)
            for gateway in self._gateways():
                ended = EngineEnded(instance.identity, why.is_own_making, why.reason)
                gateway.process.send(ended)

    def applied(self, gateway: Instance, version: int) -> None:
        self._applied[gateway] = version
        self.release_withdrawn()

    def release_withdrawn(self) -> None:
        """Drain what no gateway knows any more; to be called when a gateway has gone, too."""
        self._applied = {each: self._applied.get(each, 0) for each in self._gateways()}
        accepting = [each for each in self._applied if each.phase is not Phase.STARTING]
        known_by_all = min((self._applied[each] for each in accepting), default=self._version)
        for each in [each for each in self._leaving if each.version <= known_by_all]:
            self._leaving.remove(each)
            # A little more than the gateways get, who end what is late properly.
            each.instance.drain(Drain(), each.limits.drain_seconds + 2.0)

    def _route(self, model: ModelUnit) -> Route:
        unit, settings = model.unit, model.settings
        engines = [
            EngineAddress(each.identity, self._engine_path(each), each.ready)
            for each in unit.all_serving()
            if isinstance(each.ready, EngineReady)
        ]
        return Route(
            model=unit.name,
            aliases=list(settings.aliases),
            state=unit.state,
            reason=unit.reason,
            can_wait=unit.state in WILL_SERVE,
            queue_timeout=settings.queue_timeout,
            max_queue=settings.max_queue,
            created=model.created,
            engines=engines,
            engine=settings.engine,
            quantization=settings.quantization,
        )

    def _engine_path(self, engine: Instance) -> str:
        return str(self._directories.engine_socket(engine.identity))
