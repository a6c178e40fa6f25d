"""Requests to scripted engines, whose readers check every token of the answer."""

import asyncio

from fakes.scripted_engines import ScriptedModel, token_at
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.errand import Fits
from serve_daemon.gateway.engines.generation import Generation
from serve_daemon.wire.messages import Finish, Submit
from serve_daemon.wire.sampling import Sampling

LENGTH = 20  # tokens of each answer


async def fits(_engine: Engine) -> bool:
    return True


def make(model: ScriptedModel, prompt_length: int = 3, fits: Fits = fits) -> Generation:
    """A request of one of two clients; it stays in the table's count unless it is read."""
    prompt = [token_at(position) for position in range(prompt_length)]
    order = Submit(0, f"req_{prompt_length}", prompt, LENGTH, [0], Sampling())
    _, turn = model.table.admit("m", f"client {prompt_length % 2}")
    return Generation(order, "m", turn, model.table, fits)


def begin(
    model: ScriptedModel, prompt_length: int = 3, fits: Fits = fits
) -> tuple[Generation, "asyncio.Task[None]"]:
    """A request that is being answered, known by the length of its prompt."""
    request = make(model, prompt_length, fits)
    return request, asyncio.create_task(read(request, prompt_length))


async def read(request: Generation, prompt_length: int) -> None:
    """Take all batches; they must be the answer."""
    tokens = [token async for batch in request.batches() for token in batch]
    assert tokens == [token_at(prompt_length + number) for number in range(LENGTH)]
    assert request.output == tokens
    assert request.finish is Finish.LENGTH
    request._turn.end()
