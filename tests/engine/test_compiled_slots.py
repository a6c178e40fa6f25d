"""Which slot a sequence gets, and how much of it is there already."""

from serve_daemon.engine.compiled.slots import Lease, SlotTable

CHAT = list(range(100, 160))


def table_holding(*held: list[int], count: int = 3) -> SlotTable:
    """A table whose first slots were used one after the other, for `held`."""
    table = SlotTable(count)
    for tokens in held:
        lease = table.acquire(tokens)
        table.computed(lease.slot, tokens)
        table.release(lease.slot)
    return table


def test_empty_slots_are_taken_first() -> None:
    """What others left is kept for as long as there is room."""
    table = table_holding(CHAT, [7] * 40)
    assert table.acquire([9] * 40) == Lease(slot=2, num_cached=0)


def test_a_chat_that_goes_on_keeps_its_slot() -> None:
    """Its whole history is there."""
    table = table_holding([7] * 40, CHAT)
    assert table.acquire([*CHAT, 1, 2, 3]) == Lease(slot=1, num_cached=len(CHAT))


def test_the_last_token_is_always_computed() -> None:
    """The next one is drawn from its logits."""
    table = table_holding(CHAT)
    assert table.acquire(CHAT) == Lease(slot=0, num_cached=len(CHAT) - 1)


def test_a_prefix_of_a_busy_slot_is_copied() -> None:
    """Both sequences go on by themselves."""
    table = SlotTable(2)
    busy = table.acquire(CHAT)
    table.computed(busy.slot, CHAT[:30])
    assert table.acquire([*CHAT, 5]) == Lease(slot=1, num_cached=30, copy_from=0)


def test_a_short_prefix_does_not_cost_a_long_history_its_slot() -> None:
    """It is copied, and the history stays for its own chat."""
    system = list(range(20))
    history = system + [3] * 200
    table = table_holding(history)
    lease = table.acquire([*system, 8, 9])
    assert lease == Lease(slot=1, num_cached=20, copy_from=0)
    assert table.acquire([*history, 4]).num_cached == len(history)


def test_what_is_hardly_shared_is_not_copied() -> None:
    """A few tokens are computed as fast."""
    table = table_holding([1, 2, 3, *CHAT])
    assert table.acquire([1, 2, 3, 4]) == Lease(slot=1, num_cached=0)


def test_the_slot_that_was_left_longest_ago_is_given_away() -> None:
    """Where none is empty, and nothing is shared."""
    table = table_holding([1] * 20, [2] * 20, [3] * 20)
    table.release(table.acquire([1] * 20).slot)
    assert table.acquire([9] * 20).slot == 1


def test_a_released_slot_is_free_again() -> None:
    """The count says how many sequences may join."""
    table = SlotTable(2)
    first, second = table.acquire([1, 2]), table.acquire([1, 2])
    assert {first.slot, second.slot} == {0, 1}
    assert table.num_free == 0
    table.release(first.slot)
    assert table.num_free == 1
