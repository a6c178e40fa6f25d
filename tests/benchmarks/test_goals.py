"""What the benchmark is to show: a bound is reached or not, and nothing passes unmeasured."""

import pytest

import goals
from figures import Figure
from goals import GOALS, Goal

SPEED = Figure("1 stream: throughput", "tokens/s", more_is_better=True)
START = Figure("exec to the first answer, caches warm", "s")
ROUNDS = {
    "ours": [{SPEED: 40.0, START: 3.0}, {SPEED: 60.0, START: 5.5}, {SPEED: 80.0}],
    "peer": [{SPEED: 20.0}, {SPEED: 20.0}, {SPEED: 20.0}],
}


def last_row(goal: Goal) -> str:
    return goals.table(ROUNDS, [goal]).splitlines()[-1]


@pytest.mark.parametrize(("bound", "reached"), [(3.0, "yes"), (3.5, "no")])
def test_the_median_of_the_rounds_ratios_decides(bound: float, reached: str) -> None:
    """Of what is better when it is more, at least so many times the peer's."""
    assert last_row(Goal("ours", "1 stream: throughput", bound, "peer")) == (
        f"| 1 stream: throughput | ours | peer | at least {bound:g} x | 3 (2…4) x | {reached} |"
    )


@pytest.mark.parametrize(("bound", "reached"), [(5.0, "yes"), (4.0, "no")])
def test_a_figure_of_its_own_is_at_most_its_bound(bound: float, reached: str) -> None:
    """Known by the beginning of its name."""
    assert last_row(Goal("ours", "exec to the first", bound)).endswith(
        f"| - | at most {bound:g} s | 4.25 (3…5.5) s | {reached} |"
    )


@pytest.mark.parametrize(
    "goal",
    [
        Goal("ours", "1 stream: throughput", 0.1, "nobody"),
        Goal("nobody", "1 stream: throughput", 0.1, "peer"),
        Goal("ours", "memory", 1e9),
    ],
)
def test_what_was_not_measured_is_not_reached(goal: Goal) -> None:
    """As where no llama-server is at hand."""
    assert last_row(goal).endswith("| - | not measured |")


def test_every_goal_is_of_someone_who_takes_part() -> None:
    """A name that is written differently would never be reached."""
    assert {goal.ours for goal in GOALS} == {goals.Q4, goals.Q4_SMALL, goals.BF16}
    assert {goal.peer for goal in GOALS} == {goals.BATCHING, goals.LLAMA, ""}


def test_memory_is_asked_of_both_forms_of_keys_and_values() -> None:
    """The one that is not reached stays to be seen, and the text says which of them decides."""
    rows = [line for line in goals.section({}).splitlines() if "most memory" in line]
    assert [row.split(" | ")[0] for row in rows] == [
        "| 32 full streams: most memory, keys and values in bfloat16",
        "| 32 full streams: most memory, keys and values in 8 bits",
    ]
    assert "8 bits is the one to reach" in goals.section({})
