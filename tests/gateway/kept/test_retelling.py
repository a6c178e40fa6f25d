"""What is new of a response that is told again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.gateway.common.batches import Batch
from serve_daemon.gateway.kept.retelling import News, Retelling, ToldOtherwise
from serve_daemon.gateway.store.journal import Told


def event(number: int, name: str = "delta") -> bytes:
    return f"event: {name}\ndata: {number}\n\n".encode()


def told(num_events: int, num_batches: int) -> Told:
    batches = [Batch([each]) for each in range(num_batches)]
    return Told(batches, num_events, event(num_events - 1) if num_events else b"")


@given(st.lists(st.integers(0, 4), max_size=12), st.integers(0, 12))
def test_each_event_is_told_once_wherever_it_was_broken_off(steps: list[int], cut: int) -> None:
    """Each step makes some events of one batch; an earlier worker had the first few steps."""
    made: list[tuple[list[bytes], Batch]] = []
    number = 0
    for place, count in enumerate(steps):
        made.append(([event(number + each) for each in range(count)], Batch([place])))
        number += count
    had = made[:cut]
    num_events = sum(len(events) for events, _ in had)
    retelling = Retelling(told(num_events, len(had)))
    news = [retelling.news(events, [batch]) for events, batch in made]
    assert [each for one in news for each in one.events] == [
        event(each) for each in range(num_events, number)
    ]
    assert [each for one in news for each in one.batches] == [batch for _, batch in made[cut:]]
    assert not retelling.is_behind
    assert all(one.first >= num_events for one in news if one.events)


def test_a_beginning_without_tokens_is_new_after_it() -> None:
    """Nothing is compared there: what it says of sampling may not have been known before."""
    retelling = Retelling(told(2, 0))
    assert retelling.news([event(0, "other"), event(1), event(2)], []) == News(2, [event(2)], [])


def test_what_comes_out_otherwise_is_noticed() -> None:
    """Another event at the end of what was told, or more tokens for the same events."""
    retelling = Retelling(told(2, 1))
    with pytest.raises(ToldOtherwise):
        retelling.news([event(0), event(1, "done")], [Batch([0])])
    retelling = Retelling(told(3, 1))
    retelling.news([event(0)], [Batch([0])])
    assert retelling.is_behind
    with pytest.raises(ToldOtherwise):
        retelling.news([event(1)], [Batch([1])])
