"""Which engine gets a new sequence."""

import pytest

from serve_daemon.gateway.engines.affinity import (
    BLOCK_TOKENS,
    REMEMBERED_BLOCKS,
    SPARE_SEQUENCES,
    Affinity,
    Load,
    hashes,
    is_clearly_busier,
)

SLOTS = 32
PROMPT = list(range(3 * BLOCK_TOKENS))
OTHER = PROMPT[::-1]


def load(engine_id: str, sequences: int = 0, tokens: int = 0) -> Load:
    return Load(engine_id, sequences, tokens, SLOTS)


def test_a_hash_stands_for_all_before_it() -> None:
    """Whole blocks only; an equal block after another beginning is another one."""
    first = hashes(PROMPT)
    assert len(first) == 3
    assert hashes(PROMPT[:-1]) == first[:2]
    assert hashes([*OTHER[:BLOCK_TOKENS], *PROMPT[BLOCK_TOKENS:]])[1:] != first[1:]
    assert hashes(PROMPT[: BLOCK_TOKENS - 1]) == []


@pytest.mark.parametrize(
    ("loads", "chosen"),
    [
        ([load("a")], "a"),
        ([load("a", 2), load("b", 1)], "b"),
        ([load("a", 1, 500), load("b", 1, 100)], "b"),
    ],
)
def test_a_new_beginning_goes_where_least_is_to_do(loads: list[Load], chosen: str) -> None:
    """By sequences, then by their tokens."""
    affinity = Affinity()
    assert affinity.choose(PROMPT, loads) == chosen
    affinity.remember("c", OTHER)
    assert affinity.choose(PROMPT, loads) == chosen


def test_the_longest_beginning_is_followed() -> None:
    """Even where a little more is to do."""
    affinity = Affinity()
    affinity.remember("a", PROMPT)
    affinity.remember("b", PROMPT[:BLOCK_TOKENS])
    assert affinity.choose([*PROMPT, 7], [load("a", 2), load("b"), load("c")]) == "a"
    assert affinity.choose(PROMPT[:BLOCK_TOKENS], [load("a", 2), load("b", 1)]) == "b"


def test_a_busy_holder_is_left_alone() -> None:
    """Computing the beginning again costs less than waiting."""
    affinity = Affinity()
    affinity.remember("a", PROMPT)
    assert affinity.choose(PROMPT, [load("a", SPARE_SEQUENCES + 1), load("b")]) == "b"


@pytest.mark.parametrize(
    ("holder", "least", "busier"),
    [
        (SPARE_SEQUENCES, 0, False),
        (SPARE_SEQUENCES + 1, 0, True),
        (2 * 10 + SPARE_SEQUENCES, 10, False),
        (2 * 10 + SPARE_SEQUENCES + 1, 10, True),
        (SLOTS, SLOTS - 1, True),
        (SLOTS, SLOTS, False),
    ],
)
def test_what_is_clearly_busier(holder: int, least: int, busier: bool) -> None:
    """No slot where another has one, or more than twice the work and a few."""
    assert is_clearly_busier(load("a", holder), load("b", least)) is busier


def test_engines_that_are_gone_are_forgotten() -> None:
    """And of each that stays, what was used longest ago."""
    affinity = Affinity()
    affinity.remember("a", PROMPT)
    affinity.remember("b", OTHER)
    affinity.keep(["b", "c"])
    assert affinity.choose(PROMPT, [load("a", 1), load("b")]) == "b"
    for number in range(REMEMBERED_BLOCKS):
        affinity.remember("b", [number] * BLOCK_TOKENS)
    assert affinity.choose(OTHER, [load("b", 1), load("c")]) == "c"
