"""The requests for one model: to which engine each goes, and who goes apart."""

from collections.abc import Collection, Hashable, Sequence

from serve_daemon.gateway.affinity import Affinity
from serve_daemon.gateway.bell import Bell
from serve_daemon.gateway.engines import Engine
from serve_daemon.gateway.suspects import Standing, Suspects


class Dispatch:
    """Joins what decides; a request is known by its `Generation`."""

    def __init__(self) -> None:
        self._bells: set[Bell] = set()
        self._affinity = Affinity()
        self._suspects = Suspects()

    def join(self) -> Bell:
        """The bell that rings for a request whenever `choose` may say something else."""
        bell = Bell()
        self._bells.add(bell)
        return bell

    def ring(self) -> None:
        for bell in self._bells:
            bell.ring()

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
            self.ring()

    def lose(self, request: Hashable, engine_id: str, *, crashed: bool) -> Standing:
        """Its engine has lost it; how it stands then."""
        standing = self._suspects.lose(request, engine_id, crashed=crashed)
        self.ring()
        return standing

    def remember(self, engine_id: str, tokens: Sequence[int]) -> None:
        """So much the engine has computed when the request left it."""
        self._affinity.remember(engine_id, tokens)

    def leave(self, request: Hashable, bell: Bell) -> None:
        """It is over; again is no error."""
        self._bells.discard(bell)
        if self._suspects.leave(request):
            self.ring()

    def keep(self, engine_ids: Collection[str]) -> None:
        """Forget all engines but these."""
        self._affinity.keep(engine_ids)
