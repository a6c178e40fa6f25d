"""The routing table: which models there are, who may ask for them, which engine answers."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection

from serve_daemon.gateway.engines import Engine, Engines
from serve_daemon.gateway.errors import model_not_found, queue_full, unavailable
from serve_daemon.gateway.turns import Turn, Turns
from serve_daemon.wire.routing import Route, Routes


class RoutingTable:
    """The last `Routes` of the supervisor, and the requests that are open under it."""

    def __init__(self) -> None:
        self.engines = Engines(self._signal)
        self._routes: dict[str, Route] = {}
        self._names: dict[str, str] = {}
        self._open: Counter[str] = Counter()
        self._capacity: dict[str, int] = {}  # the last known; a model keeps it while it restarts
        self._turns: defaultdict[str, Turns] = defaultdict(Turns)
        self._changed = asyncio.Event()

    def apply(self, message: Routes) -> None:
        self._routes = {route.model: route for route in message.routes}
        self._names = {
            name: route.model for route in message.routes for name in (route.model, *route.aliases)
        }
        for route in message.routes:
            if route.engines:
                capacity = sum(address.ready.max_requests for address in route.engines)
                self._capacity[route.model] = capacity
        self.engines.apply(address for route in message.routes for address in route.engines)
        self._signal()

    @property
    def routes(self) -> list[Route]:
        return list(self._routes.values())

    def find(self, name: str) -> Route:
        """The route of a model, by its name or an alias.

        Raises `ApiError` 404.
        """
        try:
            return self._routes[self._names[name]]
        except KeyError:
            raise model_not_found(name) from None

    def admit(self, name: str) -> tuple[Route, Callable[[], None]]:
        """Let one more request in; the second value counts it out again.

        Raises `ApiError`: 404 for a model that nobody knows, 503 for one that nobody will serve,
        429 for one that too many ask for.
        """
        route = self.find(name)
        _refuse_if_hopeless(route)
        limit = self._capacity.get(route.model, 0) + route.max_queue
        if self._open[route.model] >= limit:
            raise queue_full(route.model, limit)
        self._open[route.model] += 1

        def leave() -> None:
            self._open[route.model] -= 1

        return route, leave

    def turn(self, model: str, client: str) -> Turn:
        """Queue for the engines of a model; to be ended by whoever asked."""
        return self._turns[model].join(client)

    def engine(self, model: str, avoid: Collection[str] = ()) -> Engine | None:
        """The engine for a new sequence of `model`; None if it is still to come.

        One of those to avoid only where there is no other.

        Raises `ApiError` 404 or 503 if none will come.
        """
        route = self.find(model)
        _refuse_if_hopeless(route)
        engine_ids = {address.engine_id for address in route.engines}
        return self.engines.least_busy(engine_ids.difference(avoid) or engine_ids)

    async def wait_for_change(self, seconds: float) -> None:
        """Return when the table or a connection changed, or after so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _signal(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        for turns in self._turns.values():
            turns.wake()


def _refuse_if_hopeless(route: Route) -> None:
    if not route.can_wait and not route.engines:
        reason = f": {route.reason}" if route.reason else ""
        raise unavailable(f"The model '{route.model}' is {route.state}{reason}.")
