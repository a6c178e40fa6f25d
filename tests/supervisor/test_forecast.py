"""What a plan takes of memory, on devices of a few bytes."""

import pytest

from serve_daemon.supervisor.forecast import Forecast, Lack, Memory, Part, forecast


def kept(size: int, device: str = "cpu") -> Part:
    return Part(device, size, size)


def replaced(before: int, after: int, device: str = "cpu") -> Part:
    return Part(device, before, after, is_replaced=True)


def cpu(before: int, during: int, after: int) -> list[Memory]:
    return [Memory("cpu", before, during, after)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param([kept(5)], Forecast(cpu(5, 5, 5)), id="nothing changes"),
        pytest.param([replaced(0, 5)], Forecast(cpu(0, 5, 5)), id="it starts"),
        pytest.param([Part("cpu", 5, 0)], Forecast(cpu(5, 5, 0)), id="it stops"),
        pytest.param([replaced(4, 6)], Forecast(cpu(4, 10, 6)), id="both fit"),
        pytest.param([replaced(5, 6)], Forecast(cpu(5, 6, 6), requests_wait=True), id="a swap"),
        pytest.param(
            [replaced(5, 5), replaced(5, 5)], Forecast(cpu(10, 10, 10)), id="replicas swap"
        ),
        pytest.param(
            [replaced(3, 3), replaced(3, 3)], Forecast(cpu(6, 9, 6)), id="replicas one by one"
        ),
        pytest.param([kept(5), replaced(0, 5)], Forecast(cpu(5, 10, 10)), id="one more"),
        pytest.param(
            [replaced(5, 11)], Forecast(cpu(5, 5, 5), lack=Lack(0, 10, 0)), id="too large"
        ),
        pytest.param([replaced(0, 11)], Forecast([], lack=Lack(0, 10, 0)), id="too large to start"),
        pytest.param([], Forecast([]), id="nothing is known"),
        pytest.param(
            [Part("cpu", 0, 20, is_replaced=True, least=4)],
            Forecast(cpu(0, 20, 20)),
            id="it can less",
        ),
    ],
)
def test_one_model(parts: list[Part], expected: Forecast) -> None:
    """Alone on a device of 10 bytes."""
    assert forecast({"m": parts}, {"cpu": 10}) == {"m": expected}


def test_where_nobody_knows_what_there_is_both_fit() -> None:
    """As they would be started."""
    found = forecast({"m": [replaced(50, 60)]}, {"cpu": None})
    assert found["m"] == Forecast(cpu(50, 110, 60))


def test_a_model_takes_the_place_of_one_that_leaves() -> None:
    """In whatever order they stand."""
    for names in ("ab", "ba"):
        parts = {"a": [Part("cpu", 8, 0)], "b": [replaced(0, 9)]}
        found = forecast({name: parts[name] for name in names}, {"cpu": 10})
        assert found["b"] == Forecast(cpu(0, 9, 9))


def test_others_that_stay_are_in_the_way() -> None:
    """And the lack says by how much."""
    found = forecast({"a": [kept(6)], "b": [replaced(0, 5)]}, {"cpu": 10})
    assert found["b"] == Forecast([], lack=Lack(0, 4, 6))


def test_what_is_refused_keeps_its_place_from_those_that_follow() -> None:
    """It goes on as it is."""
    parts = {"a": [replaced(5, 20)], "b": [replaced(0, 6)], "c": [replaced(0, 5)]}
    found = forecast(parts, {"cpu": 10})
    assert [each.lack is None for each in found.values()] == [False, False, True]


def test_each_device_has_its_own_memory() -> None:
    """A model that moves leaves one, and comes to the other."""
    parts = {"m": [Part("cpu", 5, 0), replaced(0, 6, "cuda:0")]}
    found = forecast(parts, {"cpu": 5, "cuda:0": 6})
    assert found["m"].memory == [Memory("cpu", 5, 5, 0), Memory("cuda:0", 0, 6, 6)]
    assert not found["m"].requests_wait
