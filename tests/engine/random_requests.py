"""Requests of all kinds, each made by its number, and what must hold of the answers."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from engine.client import Stream
from engine.models import VOCABULARY
from serve_daemon.wire.messages import Finish
from serve_daemon.wire.sampling import NO_LOGPROBS, Sampling

NUM_PROMPTS = 24
LONGEST_PROMPT = 80
LONGEST_ANSWER = 40


class Request(Struct, frozen=True):
    """What a client asks for, and whether it stays."""

    prompt: list[int]
    length: int
    sampling: Sampling
    stop_tokens: tuple[int, ...] = ()
    patience: int | None = None  # outputs to wait for before it is cancelled; None: for all

    @property
    def is_plainly_greedy(self) -> bool:
        return self.sampling == Sampling(temperature=0.0, logprobs=self.sampling.logprobs)


def prompts() -> list[list[int]]:
    """Some begin alike, so that what is stored of one is of use to another."""
    chance = random.Random(11)  # noqa: S311 - the same in every run
    shared = [chance.randrange(3, VOCABULARY) for _ in range(LONGEST_PROMPT)]
    return [
        shared[: chance.randrange(60)]
        + [chance.randrange(3, VOCABULARY) for _ in range(chance.randrange(1, 20))]
        for _ in range(NUM_PROMPTS)
    ]


def request(number: int, known: Sequence[list[int]]) -> Request:
    """The same for a number in every run."""
    chance = random.Random(number)  # noqa: S311
    return Request(
        prompt=known[chance.randrange(len(known))],
        length=chance.randrange(1, LONGEST_ANSWER + 1),
        sampling=_sampling(chance),
        stop_tokens=tuple(chance.sample(range(VOCABULARY), chance.choice([0, 0, 1, 30]))),
        patience=chance.choice([None, None, None, chance.randrange(LONGEST_ANSWER)]),
    )


def impossible(number: int) -> Request:
    """What has to be refused."""
    wrong: list[list[int]] = [[], [1, VOCABULARY], [3] * 5000]
    return Request(wrong[number % len(wrong)], 5, Sampling(temperature=0.0))


def _sampling(chance: random.Random) -> Sampling:
    logprobs = chance.choice([NO_LOGPROBS, NO_LOGPROBS, 0, 3])
    if chance.random() < 0.3:
        return Sampling(temperature=0.0, logprobs=logprobs)
    choices: Mapping[str, Sequence[Any]] = {
        "temperature": (0.0, 0.7, 1.0, 1.5),
        "top_p": (1.0, 0.9, 0.5),
        "top_k": (0, 1, 20, 200),
        "min_p": (0.0, 0.0, 0.05),
        "typical_p": (1.0, 1.0, 0.9),
        "repetition_penalty": (1.0, 1.0, 1.2),
        "presence_penalty": (0.0, 0.0, 0.5),
        "frequency_penalty": (0.0, 0.0, 0.5),
        "logit_bias": ({}, {}, {7: 20.0, 8: -100.0}),
        "min_tokens": (0, 0, 10),
        "banned": ([], [], [[7], [8, 9], [10, 11, 12]]),
        "allowed": ([], [], [], list(range(0, VOCABULARY, 7))),
    }
    chosen = {name: chance.choice(values) for name, values in choices.items()}
    return Sampling(seed=chance.getrandbits(64), logprobs=logprobs, **chosen)


def check(request: Request, stream: Stream) -> None:
    """Whatever the model says, this much is known of the answer."""
    tokens, outputs, sampling = stream.tokens, stream.outputs, request.sampling
    assert [output.finish for output in outputs[:-1]] == [None] * (len(outputs) - 1)
    assert all(output.error == "" for output in outputs)
    if request.patience is None:
        assert stream.finish in {Finish.STOP, Finish.LENGTH}
        assert (stream.finish is Finish.STOP) == (tokens[-1] in request.stop_tokens)
        assert stream.finish is Finish.STOP or len(tokens) == request.length
    assert not set(tokens[:-1]) & set(request.stop_tokens)
    assert not set(tokens[: sampling.min_tokens]) & set(request.stop_tokens)
    assert len(tokens) <= request.length
    if sampling.allowed:
        assert set(tokens) <= set(sampling.allowed)
    for banned in sampling.banned:
        whole = [*request.prompt[1 - len(banned) :], *tokens] if len(banned) > 1 else tokens
        assert not any(whole[i : i + len(banned)] == banned for i in range(len(whole)))
    _check_logprobs(request, stream)


def _check_logprobs(request: Request, stream: Stream) -> None:
    wanted = request.sampling.logprobs
    for output in stream.outputs:
        assert len(output.logprobs) == (0 if wanted == NO_LOGPROBS else len(output.tokens))
        for logprobs in output.logprobs:
            assert logprobs.logprob <= 0
            assert len(logprobs.top_tokens) == len(logprobs.top_logprobs) == wanted
