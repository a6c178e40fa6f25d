"""How fast something that is counted grows."""

import pytest

from serve_daemon.supervisor.pace import Pace


@pytest.mark.parametrize(
    ("noted", "now", "expected"),
    [
        ([], 0.0, 0.0),
        ([(10.0, 5)], 10.0, 0.0),
        ([(10.0, 0), (11.0, 40)], 11.0, 40.0),
        ([(10.0, 0), (11.0, 40), (12.0, 60)], 12.0, 30.0),
        ([(1.0, 0), (10.0, 1000), (12.0, 1020)], 12.0, 10.0),
        ([(10.0, 0), (11.0, 40)], 99.0, 0.0),
        ([(10.0, 0), (10.0, 40)], 10.0, 0.0),
    ],
    ids=["nothing", "once", "twice", "average", "forgotten", "silent", "at once"],
)
def test_the_pace_of_the_last_seconds(
    noted: list[tuple[float, int]], now: float, expected: float
) -> None:
    """What is older does not count, and who says nothing does nothing."""
    pace = Pace()
    for each in noted:
        pace.note(*each)
    assert pace.per_second(now) == expected
