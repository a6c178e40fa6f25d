"""What becomes of a request's wishes."""

import pytest

from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.errors import ApiError
from serve_daemon.gateway.prompts import max_new_tokens, sampling
from serve_daemon.gateway.tokenizer import Defaults
from serve_daemon.wire.messages import Sampling


def request(**fields: float) -> GenerationRequest:
    return GenerationRequest(model="m", messages=[], **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"seed": 5}, Sampling(0.6, 0.9, 50, 5)),
        ({"seed": 5, "temperature": 0}, Sampling(0.0, 0.9, 50, 5)),
        ({"seed": 0, "top_p": 1.0, "top_k": 0}, Sampling(0.6, 1.0, 0, 0)),
        ({"seed": -2}, Sampling(0.6, 0.9, 50, 2**64 - 2)),
    ],
)
def test_sampling_is_the_clients_else_the_models(
    fields: dict[str, float], expected: Sampling
) -> None:
    """Zero is a wish, not an absence."""
    assert sampling(request(**fields), Defaults(0.6, 0.9, 50)) == expected


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
