"""The table of what processes hold."""

from holding import Held
from memory import HEAD, rows, total


def test_the_last_row_is_the_sum() -> None:
    """With a cell for each column of the head."""
    held = {
        "supervisor": Held(0, 20_000_000, 10_000_000),
        "engine m": Held(400_000_000, 150_000_000, 50_400_000),
    }
    lines = rows("int8", held)
    assert lines[0] == "| int8 | supervisor | 30 | 0 | 20 | 10 |"
    assert lines[-1] == "| int8 | all | 630 | 400 | 170 | 60 |"
    assert {line.count("|") for line in [*HEAD.splitlines(), *lines]} == {7}
    assert total(held) == 630.4
