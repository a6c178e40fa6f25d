"""The counter-based uniform numbers."""

import numpy as np

from serve_daemon.engine.randomness import uniform

PINNED = [0.28176129772258496, 0.02166902843556473, 0.3052243695959902]


def draw(seeds: list[int], positions: list[int]) -> list[float]:
    numbers = uniform(np.array(seeds, dtype=np.uint64), np.array(positions, dtype=np.uint64))
    return [float(number) for number in numbers]


def test_a_number_depends_on_its_seed_and_position_alone() -> None:
    """The same pair gives the same number whatever is drawn beside it."""
    together = draw([5, 7, 5], [10, 10, 11])
    assert together == [draw([5], [10])[0], draw([7], [10])[0], draw([5], [11])[0]]


def test_numbers_stay_what_they_were() -> None:
    """An engine of a later version goes on with the sequences of an earlier one."""
    assert draw([0, 1, 2**64 - 1], [0, 17, 2**63]) == PINNED


def test_neighbouring_seeds_and_positions_are_unrelated() -> None:
    """Numbers over a grid of seeds and positions are uniform and don't correlate."""
    size = 300
    seeds = np.repeat(np.arange(size, dtype=np.uint64), size)
    grid = uniform(seeds, np.tile(np.arange(size, dtype=np.uint64), size)).reshape(size, size)
    counts, _ = np.histogram(grid, bins=100, range=(0, 1))
    expected = size * size / 100
    assert ((counts - expected) ** 2 / expected).sum() < 149  # chi-square, 99 degrees, p = 0.001
    for shifted in (grid[1:, :] - 0.5, grid[:-1, :] - 0.5):
        assert abs(shifted.mean()) < 0.005
    assert abs(np.corrcoef(grid[1:].ravel(), grid[:-1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(grid[:, 1:].ravel(), grid[:, :-1].ravel())[0, 1]) < 0.01


def test_numbers_lie_in_the_half_open_interval() -> None:
    """1 is never drawn, so there is always a token for the number."""
    numbers = uniform(np.arange(100_000, dtype=np.uint64), np.zeros(100_000, dtype=np.uint64))
    assert numbers.min() >= 0
    assert numbers.max() < 1
