"""The routing table: which models there are, who may ask for them, which engine answers."""

from collections.abc import Callable

from serve_daemon.gateway.common.asking import asker
from serve_daemon.gateway.common.errors import model_not_found, unavailable
from serve_daemon.gateway.engines.connections import Engine, Engines
from serve_daemon.gateway.engines.dispatch import Dispatch
from serve_daemon.gateway.engines.turns import Turn
from serve_daemon.gateway.engines.verdicts import Verdicts
from serve_daemon.gateway.metrics.meter import Load, Meters
from serve_daemon.wire.metrics import ModelCounts, Outcome
from serve_daemon.wire.routing import Convicted, Route, Routes, Wake

ASLEEP = "asleep"  # the state of a route whose model starts when it is woken


class RoutingTable:
    """The last `Routes` of the supervisor, and the requests that are open under it.

    What the supervisor has to know of them goes to `tell`.
    """

    def __init__(self, tell: Callable[[Wake | Convicted], object]) -> None:
        self.verdicts = Verdicts()
        self.meters = Meters()
        self.num_workers = 1  # gateways that share what a model can take
        self.engines = Engines(self._signal)
        self._routes: dict[str, Route] = {}
        self._names: dict[str, str] = {}
        self._capacity: dict[str, int] = {}  # the last known; a model keeps it while it restarts
        self._dispatches: dict[str, Dispatch] = {}
        self._tell = tell
        self._woken: set[str] = set()  # under this table

    def apply(self, message: Routes) -> None:
        self._routes = {route.model: route for route in message.routes}
        self._names = {
            name: route.model for route in message.routes for name in (route.model, *route.aliases)
        }
        for route in message.routes:
            if route.engines:
                capacity = sum(address.ready.max_requests for address in route.engines)
                self._capacity[route.model] = capacity
        self._woken.clear()
        known = {address.engine_id for route in message.routes for address in route.engines}
        for dispatch in self._dispatches.values():
            dispatch.keep(known)
        self.engines.apply(address for route in message.routes for address in route.engines)
        self._signal()

    @property
    def routes(self) -> list[Route]:
        """Those that whoever asks may use."""
        return [each for each in self._routes.values() if asker().may_use(each.model)]

    def find(self, name: str) -> Route:
        """The route of a model, by its name or an alias.

        Raises `ApiError` 404; also where whoever asks has no key for it, as if it did not exist.
        """
        own_name = self._names.get(name)
        if own_name is None or not asker().may_use(own_name):
            raise model_not_found(name)
        return self._routes[own_name]

    def admit(self, name: str, client: str) -> tuple[Route, Turn]:
        """Let one more request in, for as long as its turn is not ended.

        Raises `ApiError`: 404 for a model that nobody knows, 503 for one that nobody will serve,
        429 for one that too many ask for.
        """
        route = self.find(name)
        if _is_hopeless(route):
            self.meters.of(route.model).end(Outcome.REFUSED)
        _refuse_if_hopeless(route)
        return route, self.dispatch(route.model).turns.join(client, self._limit(route))

    def _limit(self, route: Route) -> int:
        """How many requests for the model may be open here: this worker's share, rounded up."""
        total = self._capacity.get(route.model, 0) + route.max_queue
        return -(-total // self.num_workers)

    def width(self, model: str) -> int:
        """How many sequences of one request may be open here: as many as engines compute at once.

        Raises `ApiError` 404.
        """
        capacity = self._capacity.get(self.find(model).model, 0)
        return max(1, -(-capacity // self.num_workers))

    def dispatch(self, model: str) -> Dispatch:
        """Who decides about the requests for a model, by its own name."""
        if model not in self._dispatches:
            self._dispatches[model] = Dispatch(
                model, lambda: self._connected(model), self.meters.of(model)
            )
        return self._dispatches[model]

    def counted(self) -> list[ModelCounts]:
        """What has changed of what is counted, since the last time."""
        return list(self.meters.news(self._load))

    def _load(self, model: str) -> Load:
        dispatch = self._dispatches.get(model)
        return dispatch.turns.open_requests if dispatch is not None else (0, 0)

    def _connected(self, model: str) -> list[Engine]:
        """Those that take sequences of `model`; none of one that is gone."""
        route = self._routes.get(model)
        addresses = route.engines if route is not None else []
        return self.engines.connected(address.engine_id for address in addresses)

    def ready_engines(self, model: str) -> list[Engine]:
        """Those that take sequences of `model`; none while they are still to come.

        Raises `ApiError` 404 or 503 if none will come.
        """
        route = self.find(model)
        _refuse_if_hopeless(route)
        return self._connected(model)

    def has_engine(self, engine: Engine) -> bool:
        """Whether the engine is in the table still, connected or not."""
        return self.engines.has(engine)

    def engine(self, model: str) -> Engine | None:
        """One of them, to prepare requests for. Raises as `ready_engines` does."""
        return next(iter(self.ready_engines(model)), None)

    def wake(self, model: str) -> None:
        """Have the model started if it is asleep."""
        if self.find(model).state == ASLEEP and model not in self._woken:
            self._woken.add(model)
            self._tell(Wake(model))

    def convict(self, engine: Engine, request_id: str) -> None:
        """Have it known that the engine ended over this request."""
        self._tell(Convicted(engine.engine_id, request_id))

    def _signal(self) -> None:
        """The table or a connection has changed."""
        for dispatch in self._dispatches.values():
            dispatch.turns.wake()


def _is_hopeless(route: Route) -> bool:
    return not route.can_wait and not route.engines


def _refuse_if_hopeless(route: Route) -> None:
    if _is_hopeless(route):
        reason = f": {route.reason}" if route.reason else ""
        raise unavailable(f"The model '{route.model}' is {route.state}{reason}.")
