"""The uniform numbers behind sampling: a function of (seed, position), and of nothing else."""

import numpy as np
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)


def uniform(seeds: NDArray[np.uint64], positions: NDArray[np.uint64]) -> NDArray[np.float64]:
    """One number in [0, 1) for each (seed, position): the same on every machine.

    Each input goes through the finalizer of splitmix64 before they meet, so that neighbouring
    seeds and neighbouring positions give unrelated numbers.
    """
    with np.errstate(over="ignore"):
        mixed = _mix(_mix(seeds + GOLDEN) ^ (positions * GOLDEN))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * MIX_1
    value = (value ^ (value >> np.uint64(27))) * MIX_2
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed
