"""What asks for a model's tokenizer and its chat template alone: nothing is generated."""

from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.waiting import wait_for_engine
from serve_daemon.gateway.http.exchange import Exchange


async def engine_of(name: str, exchange: Exchange, models: Models) -> Engine:
    """An engine that runs the model of this name; one that is coming is waited for.

    Raises `ApiError` as `RoutingTable.admit` does, and 503 where none comes in time.
    """
    route, turn = models.table.admit(name, exchange.client)
    exchange.model = route.model
    exchange.on_end(turn.end)
    turn.tally.drop()
    found = [each async for each in wait_for_engine(models.table, route.model, turn) if each]
    return found[-1]


async def prompt_tokens(request: GenerationRequest, exchange: Exchange, models: Models) -> int:
    """How many tokens the prompt has that the request makes. Raises `ApiError`."""
    engine = await engine_of(request.model, exchange, models)
    exchange.prompt_tokens = len(await models.prompts.tokens(request, engine))
    return exchange.prompt_tokens
