"""What a model makes of the tokens of a prompt itself.

Engines tell log-probabilities of what they generate alone. So each token of the prompt is had
generated, as the only one that may follow those before it; what engines have computed of the prompt
they compute no more for its beginnings.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from serve_daemon.api.completions import CompletionsRequest
from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.answers.prompts import Prepared
from serve_daemon.gateway.chat.choices import Choices
from serve_daemon.gateway.common.errors import invalid
from serve_daemon.gateway.http.exchange import Exchange

MOST_TOKENS = 2048  # as many sequences; together they have two million tokens


class Scores(Struct, frozen=True):
    """Of one prompt."""

    first: bytes  # the first token, of which nothing can be said
    others: list[TokenLogprob]


async def scores_of(
    request: CompletionsRequest, exchange: Exchange, models: Models
) -> list[Scores]:
    """Those of each of its prompts. Raises `ApiError`."""
    found = []
    for prompt in request.prompts:
        alone = msgspec.structs.replace(request, prompt=prompt, stream=False)
        prepared = await _prepared(alone, exchange, models)
        tokens = prepared.order.tokens
        first = prepared.text_model.token_bytes.of(tokens[0])
        found.append(Scores(first, await _others(alone, tokens, exchange, models)))
    exchange.completion_tokens = 0  # of the answer there is nothing yet
    return found


async def _prepared(request: CompletionsRequest, exchange: Exchange, models: Models) -> Prepared:
    """The prompt in tokens. Raises `ApiError`, also for one of too many."""
    nothing = msgspec.structs.replace(request, max_tokens=0, min_tokens=0)
    asking = Completion(nothing, exchange, models)
    async for _ in asking.pieces():
        pass
    asking.end()
    if asking.prepared is None:
        raise RuntimeError("an answer without a prompt")
    if (count := len(asking.prepared.order.tokens)) > MOST_TOKENS:
        message = (
            f"Invalid 'prompt': it has {count} tokens; with 'echo' and 'logprobs' it may have"
            f" {MOST_TOKENS}."
        )
        raise invalid(message, "prompt", "invalid_value")
    return asking.prepared


async def _others(
    request: CompletionsRequest, tokens: list[int], exchange: Exchange, models: Models
) -> list[TokenLogprob]:
    """Of all tokens but the first."""
    asked = [_asking_for(request, tokens, place) for place in range(1, len(tokens))]
    # The longest beginning alone, so that the others find it computed.
    last = await _answers(asked[-1:], exchange, models)
    return [*await _answers(asked[:-1], exchange, models), *last]


def _asking_for(request: CompletionsRequest, tokens: list[int], place: int) -> GenerationRequest:
    """The request to which this token is the only answer."""
    return GenerationRequest(
        model=request.model,
        prompt=tokens[:place],
        allowed_token_ids=[tokens[place]],
        max_tokens=1,
        temperature=0,
        ignore_eos=True,
        logprobs=True,
        top_logprobs=request.top_logprobs,
    )


async def _answers(
    requests: Sequence[GenerationRequest], exchange: Exchange, models: Models
) -> list[TokenLogprob]:
    if not requests:
        return []
    choices = Choices(requests, 1, exchange, models)
    async for _ in choices.pieces():
        pass
    return [entry for each in choices.completions for entry in each.take_logprobs()]
