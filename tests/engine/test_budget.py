"""How much of a prompt a step takes in beside streams, by histories of steps."""

import pytest

from serve_daemon.engine.budget import FIRST_TOKENS, PATIENCE, SMALLEST_TOKENS, Budget

USUAL_SECONDS = 0.02


def shares(budget: Budget, token_seconds: float, steps: int = 60) -> list[int]:
    """What a long prompt gets step after step, where each of its tokens takes `token_seconds`."""
    given = []
    for _ in range(steps):
        given.append(budget.prompt_tokens(8))
        budget.add_step(USUAL_SECONDS + given[-1] * token_seconds, 8, given[-1])
    return given


def used_to_streams() -> Budget:
    budget = Budget(256)
    budget.add_step(USUAL_SECONDS, 8, 0)
    return budget


def test_prompts_alone_get_the_whole_step() -> None:
    """Nobody waits."""
    assert Budget(256).prompt_tokens(0) == 256


def test_little_beside_streams_while_nothing_is_known() -> None:
    """Whatever the machine."""
    assert Budget(256).prompt_tokens(4) == FIRST_TOKENS


@pytest.mark.parametrize("token_seconds", [0.00025, 0.0005, 0.001])
def test_steps_get_longer_by_as_much_as_streams_bear(token_seconds: float) -> None:
    """The share settles where a step has as much more as that."""
    last = shares(used_to_streams(), token_seconds)[-1]
    assert last == pytest.approx(PATIENCE * USUAL_SECONDS / token_seconds, abs=1)


def test_each_prompt_has_its_share() -> None:
    """Else those that come while others are read in would wait longer and longer."""
    budget = used_to_streams()
    one = shares(budget, 0.0005)[-1]
    assert budget.prompt_tokens(8, 3) == 3 * one
    assert budget.prompt_tokens(8, 1000) == 248


def test_the_step_has_a_limit() -> None:
    """Where prompts cost next to nothing."""
    assert shares(used_to_streams(), 1e-6)[-1] == 248


def test_a_prompt_never_stands_still() -> None:
    """However dear its tokens are."""
    assert shares(used_to_streams(), 1.0)[-1] == SMALLEST_TOKENS


def test_a_disturbed_step_is_forgotten() -> None:
    """It took a hundred times as long because others had the cores."""
    budget = used_to_streams()
    before = shares(budget, 0.0005)[-1]
    budget.add_step(5.0, 8, before)
    assert budget.prompt_tokens(8) == SMALLEST_TOKENS
    assert shares(budget, 0.0005)[-1] == pytest.approx(before, abs=1)


def test_a_disturbed_step_is_not_usual() -> None:
    """One in ten is ten times as long; what is usual stays what most steps take."""
    budget = used_to_streams()
    for number in range(200):
        budget.add_step(USUAL_SECONDS * (1 if number % 10 else 10), 8, 0)
    last = shares(budget, 0.0005)[-1]
    assert last == pytest.approx(PATIENCE * USUAL_SECONDS / 0.0005, rel=0.1)
