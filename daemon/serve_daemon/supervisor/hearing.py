"""What processes tell that others have to know, and what is to be done when one has ended."""

from collections.abc import Callable, Iterable

from serve_daemon.supervisor.group import Group
from serve_daemon.supervisor.instance import Instance
from serve_daemon.supervisor.metrics import Metrics
from serve_daemon.supervisor.routing import Routing
from serve_daemon.wire.metrics import Counted
from serve_daemon.wire.routing import Convicted, GatewayNews, RoutesApplied, Wake


class Hearing:
    def __init__(
        self,
        routing: Routing,
        metrics: Metrics,
        *,
        wake: Callable[[str], None],
        units: Callable[[], Iterable[Group]],
    ) -> None:
        self._routing = routing
        self._metrics = metrics
        self._wake = wake
        self._units = units

    def hear(self, gateway: Instance, message: GatewayNews) -> None:
        match message:
            case RoutesApplied(version=version):
                self._routing.applied(gateway, version)
            case Wake(model=name):
                self._wake(name)
            case Convicted(engine_id=engine_id, request_id=request_id):
                for unit in self._units():
                    unit.convict(engine_id, request_id)
            case Counted():
                self._metrics.hear(gateway, message)

    def engine_ended(self, engine: Instance) -> None:
        self._metrics.engine_ended(engine)
        self._routing.tell_end(engine)

    def gateway_ended(self, gateway: Instance) -> None:
        self._metrics.gateway_ended(gateway)
