"""A feed keeps the last items and hands new ones to whoever follows."""

import pytest

from serve_daemon.supervisor import feed as feed_module
from serve_daemon.supervisor.feed import Feed


def test_only_the_last_are_kept() -> None:
    """Oldest first."""
    feed: Feed[int] = Feed(kept=3)
    for number in range(5):
        feed.add(number)
    assert feed.last() == [2, 3, 4]


async def test_followers_get_what_comes_after_they_began() -> None:
    """Each of them all of it, in order."""
    feed: Feed[int] = Feed(kept=3)
    feed.add(0)
    with feed.following() as first:
        feed.add(1)
        with feed.following() as second:
            feed.add(2)
            assert await anext(second) == 2
        assert [await anext(first), await anext(first)] == [1, 2]


async def test_one_who_is_too_far_behind_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory ends somewhere; what came until then is still delivered, then it ends."""
    monkeypatch.setattr(feed_module, "MAX_BEHIND", 3)
    feed: Feed[int] = Feed(kept=1)
    with feed.following() as slow, feed.following() as quick:
        seen = []
        for number in range(6):
            feed.add(number)
            seen.append(await anext(quick))
        assert [number async for number in slow] == [0, 1, 2]
        assert seen == [0, 1, 2, 3, 4, 5]


async def test_one_who_leaves_is_forgotten() -> None:
    """Nothing more is put aside for it."""
    feed: Feed[int] = Feed(kept=1)
    with feed.following() as following:
        feed.add(1)
        assert await anext(following) == 1
    feed.add(2)
    assert feed._followers == set()
