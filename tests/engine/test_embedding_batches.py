"""Which texts share a step of engine embedding."""

from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.engine.embedding.batches import FREE_PADDING, Text, Waiting


def waiting(*orders: list[int]) -> Waiting:
    """Orders 0, 1, ... with texts of these lengths."""
    made = Waiting()
    for number, lengths in enumerate(orders):
        made.add(number, lengths)
    return made


def shown(texts: list[Text]) -> list[tuple[int, int, int]]:
    return [(text.order, text.place, text.length) for text in texts]


def test_a_step_begins_with_the_longest_text_of_an_order() -> None:
    """With those of about its length, of whatever order, the longest first."""
    texts = waiting([3, 100, 90], [95, 200])
    assert shown(texts.take(1000)) == [(0, 1, 100), (1, 0, 95), (0, 2, 90)]
    assert shown(texts.take(1000)) == [(1, 1, 200)]
    assert shown(texts.take(1000)) == [(0, 0, 3)]
    assert len(texts) == 0


def test_padding_counts_as_tokens() -> None:
    """Each text of a step takes as many as its longest."""
    texts = waiting([10, 9, 8, 7, 6])
    assert [text.length for text in texts.take(30)] == [10, 9, 8]
    assert [text.length for text in texts.take(30)] == [7, 6]


def test_a_text_longer_than_a_step_is_computed_alone() -> None:
    """Nothing is ever cut."""
    texts = waiting([50, 49])
    assert [text.length for text in texts.take(8)] == [50]
    assert [text.length for text in texts.take(8)] == [49]


def test_orders_take_turns() -> None:
    """One short text does not wait for all of a large order."""
    texts = waiting([200] * 9, [10])
    assert {text.order for text in texts.take(400)} == {0}
    assert shown(texts.take(400)) == [(1, 0, 10)]
    assert len(texts) == 7


def test_of_equal_texts_the_first_come_first() -> None:
    """An order that came later fills what is left of the step."""
    texts = waiting([10, 10], [10, 10])
    assert shown(texts.take(30)) == [(0, 0, 10), (0, 1, 10), (1, 0, 10)]


def test_what_is_dropped_is_not_computed() -> None:
    """Again is no error; the others stay."""
    texts = waiting([5, 6], [7])
    texts.drop(0)
    texts.drop(0)
    assert shown(texts.take(100)) == [(1, 0, 7)]
    assert len(texts) == 0


@given(
    orders=st.lists(st.lists(st.integers(1, 500), min_size=1, max_size=20), min_size=1, max_size=8),
    max_tokens=st.integers(1, 2000),
)
def test_every_text_is_computed_once(orders: list[list[int]], max_tokens: int) -> None:
    """In steps that are as large as they may be, and whose texts are alike."""
    texts = waiting(*orders)
    taken: list[Text] = []
    while len(texts):
        step = texts.take(max_tokens)
        longest, shortest = step[0].length, step[-1].length
        assert len(step) == 1 or len(step) * longest <= max_tokens
        assert longest - shortest <= max(FREE_PADDING, longest // 4)
        taken += step
    wanted = [
        (order, place, length)
        for order, lengths in enumerate(orders)
        for place, length in enumerate(lengths)
    ]
    assert sorted(shown(taken)) == wanted
