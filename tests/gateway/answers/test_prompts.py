"""What becomes of a request's wishes."""

import pytest

from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.answers.prompts import max_new_tokens, sampling
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.text.tokenizer import Defaults
from serve_daemon.wire.sampling import Sampling


def request(**fields: float) -> GenerationRequest:
    return GenerationRequest(model="m", messages=[], **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"seed": 5}, Sampling(0.6, 0.9, 50, 5)),
        ({"seed": 5, "temperature": 0}, Sampling(0.0, 0.9, 50, 5)),
        ({"seed": 0, "top_p": 1.0, "top_k": 0}, Sampling(0.6, 1.0, 0, 0)),
        ({"seed": -2}, Sampling(0.6, 0.9, 50, 2**64 - 2)),
        (
            {"seed": 1, "min_p": 0.0, "typical_p": 0.5, "presence_penalty": 1.0, "min_tokens": 2},
            Sampling(0.6, 0.9, 50, 1, typical_p=0.5, presence_penalty=1.0, min_tokens=2),
        ),
        (
            {"seed": 1, "frequency_penalty": 1.0, "repetition_penalty": 1.5},
            Sampling(0.6, 0.9, 50, 1, frequency_penalty=1.0, repetition_penalty=1.5),
        ),
    ],
)
def test_sampling_is_the_clients_else_the_models(
    fields: dict[str, float], expected: Sampling
) -> None:
    """Zero is a wish, not an absence."""
    assert sampling(request(**fields), Defaults(0.6, 0.9, 50)) == expected


def test_the_models_own_cuts_and_penalties_are_defaults_too() -> None:
    """As generate() takes them from generation_config.json."""
    defaults = Defaults(min_p=0.1, typical_p=0.9, repetition_penalty=1.05)
    made = sampling(request(), defaults)
    assert (made.min_p, made.typical_p, made.repetition_penalty) == (0.1, 0.9, 1.05)
    neutral = sampling(request(min_p=0.0, typical_p=1.0, repetition_penalty=1.0), defaults)
    assert (neutral.min_p, neutral.typical_p, neutral.repetition_penalty) == (0.0, 1.0, 1.0)


def test_an_answer_can_not_have_more_tokens_at_least_than_at_most() -> None:
    """It is refused by the name of the lower limit."""
    with pytest.raises(ApiError, match="min_tokens") as refused:
        max_new_tokens(request(min_tokens=6, max_tokens=5), 10, 100)
    assert refused.value.body.param == "min_tokens"
    assert max_new_tokens(request(min_tokens=5, max_tokens=5), 10, 100) == 5


def test_a_request_without_a_seed_gets_one_of_its_own() -> None:
    """So that equal requests differ."""
    first, second = (sampling(request(), Defaults()).seed for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("wanted", "prompt_tokens", "granted"), [(None, 10, 90), (5, 10, 5), (500, 10, 90), (5, 99, 1)]
)
def test_an_answer_has_what_is_left_of_the_context(
    wanted: int | None, prompt_tokens: int, granted: int
) -> None:
    """At most what the client wants."""
    fields = {} if wanted is None else {"max_tokens": wanted}
    assert max_new_tokens(request(**fields), prompt_tokens, 100) == granted


def test_a_prompt_that_leaves_no_room_is_refused() -> None:
    """With both numbers."""
    with pytest.raises(ApiError, match=r"100 tokens.*100 tokens") as refused:
        max_new_tokens(request(), 100, 100)
    assert refused.value.body.code == "context_length_exceeded"
