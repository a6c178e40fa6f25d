"""Who is let in: each request is told whose it is, or refused before its body is read."""

import msgspec

from serve_daemon.gateway.common.errors import ApiError, draining
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.draining import is_work
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.keys import Headers
from serve_daemon.gateway.http.refusals import Refusals


class Admission:
    """Looks at the key of each request, and whether anything new may begin."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._refusals = Refusals()

    def refusal(self, exchange: Exchange, headers: Headers) -> ApiError | None:
        """Note who asks; the error to answer with, where nobody may ask so."""
        try:
            asker = self._conditions.keys.asker(exchange.method, exchange.path, headers)
        except ApiError as error:
            exchange.is_refused = True
            self._refusals.note(exchange.host)
            return error
        if exchange.trace is not None:
            asker = msgspec.structs.replace(asker, trace_id=exchange.trace.trace_id)
        exchange.asker = asker
        is_refused = self._conditions.settings.draining and is_work(exchange.method, exchange.path)
        return draining() if is_refused else None
