"""The plan of cores."""

import pytest

from serve_daemon.supervisor.cores import share


@pytest.mark.parametrize(
    ("cores", "gateways", "fixed", "engines", "threads"),
    [
        (2, 1, 0, 1, 2),
        (2, 1, 0, 2, 1),
        (2, 1, 0, 5, 1),
        (7, 1, 0, 1, 7),
        (8, 1, 0, 1, 7),
        (8, 4, 0, 1, 7),
        (16, 1, 0, 3, 5),
        (64, 2, 0, 1, 62),
        (8, 1, 5, 1, 2),
        (8, 1, 20, 2, 1),
        (4, 1, 3, 0, 1),
    ],
)
def test_a_share_is_of_what_is_left(
    cores: int, gateways: int, fixed: int, engines: int, threads: int
) -> None:
    """By gateways, of which each has a core where there are many, and by engines of a fixed size.

    No engine has less than one thread.
    """
    assert share(cores, gateways, fixed, engines) == threads
