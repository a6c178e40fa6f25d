"""The requests for one model: whose turn it is, to which engine each goes, and who goes apart."""

from collections.abc import Callable, Collection, Hashable, Sequence

from serve_daemon.gateway.engines.affinity import Affinity
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.suspects import Standing, Suspects
from serve_daemon.gateway.engines.turns import Turns
from serve_daemon.gateway.metrics.meter import Meter


class Dispatch:
    """Joins what decides; a request is known by its `Generation`."""

    def __init__(self, model: str, engines: Callable[[], Sequence[Engine]], meter: Meter) -> None:
        self.turns = Turns(model, lambda: [each.load for each in engines()], meter)
        self._affinity = Affinity()
        self._suspects = Suspects()

    def choose(
        self,
        ready: Sequence[Engine],
        request: Hashable,
        tokens: Sequence[int],
        avoid: Collection[str],
    ) -> Engine | None:
        """The engine for a sequence of these tokens; None while there is none for this request.

        One of those to avoid only where there is no other.
        """
        engines = {each.engine_id: each for each in ready}
        able = [each for each in engines if self._suspects.may_begin(request, each)]
        wanted = [each for each in able if each not in avoid] or able
        if not wanted:
            return None
        return engines[self._affinity.choose(tokens, [engines[each].load for each in wanted])]

    def begin(self, request: Hashable, engine_id: str, tokens: Sequence[int]) -> None:
        """The request goes to the engine."""
        self._suspects.begin(request, engine_id)
        self._affinity.remember(engine_id, tokens)

    def standing(self, request: Hashable) -> Standing:
        """Whether it may have ended an engine."""
        return self._suspects.standing(request)

    def progress(self, request: Hashable) -> None:
        """A token has come of it."""
        if self._suspects.progress(request):
            self.turns.wake()

    def lose(self, request: Hashable, engine_id: str, *, crashed: bool) -> Standing:
        """Its engine has lost it; how it stands then."""
        standing = self._suspects.lose(request, engine_id, crashed=crashed)
        self.turns.wake()
        return standing

    def remember(self, engine_id: str, tokens: Sequence[int]) -> None:
        """So much the engine has computed when the request left it."""
        self._affinity.remember(engine_id, tokens)

    def leave(self, request: Hashable) -> None:
        """It is over; again is no error."""
        if self._suspects.leave(request):
            self.turns.wake()

    def keep(self, engine_ids: Collection[str]) -> None:
        """Forget all engines but these."""
        self._affinity.keep(engine_ids)
