"""The store of responses, on a real SQLite file."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serve_daemon.gateway.common.batches import Batch
from serve_daemon.gateway.store import housekeeping
from serve_daemon.gateway.store.changes import Changes
from serve_daemon.gateway.store.database import NAME, connect
from serve_daemon.gateway.store.errors import NotOurs, StoreUnavailable
from serve_daemon.gateway.store.journal import Entry, pack
from serve_daemon.gateway.store.making import End
from serve_daemon.gateway.store.records import NewRecord
from serve_daemon.gateway.store.schema import VERSION
from serve_daemon.gateway.store.store import Store, open_store
from serve_daemon.wire.messages import Finish
from serve_daemon.wire.sampling import Logprobs

EXPIRES = 2_000_000_000


def new(response_id: str, **fields: Any) -> NewRecord:
    known: dict[str, Any] = {
        "created": 1,
        "expires": EXPIRES,
        "key": "",
        "is_background": False,
        "is_streamed": True,
        "previous": None,
        "request": b"{}",
        "input": b"[]",
        "response": b'{"output":[]}',
    }
    return NewRecord(id=response_id, **(known | fields))


def events(*numbers: int) -> str:
    return "".join(f"event: e\ndata: {number}\n\n" for number in numbers)


async def append(store: Store, entry: Entry) -> Any:
    """What the store says of it."""
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    store.append(entry, told.set_result)
    return await told


async def begun(store: Store, response_id: str, **fields: Any) -> int:
    """A response in the making with one event."""
    return await store.create(new(response_id, owner=store.worker, **fields), events(0))


async def test_what_was_created_is_found(tmp_path: Path) -> None:
    """By another worker, too, and after all of them have ended."""
    store = await open_store(tmp_path)
    other = await open_store(tmp_path)
    number = await store.create(new("resp_1", key="k", ended=5, request=b'{"a":1}'))
    found = await other.find("resp_1")
    assert found is not None
    assert (found.number, found.key, found.ended, found.request) == (number, "k", 5, b'{"a":1}')
    assert await other.find("resp_2") is None
    await store.end()
    await other.end()
    later = await open_store(tmp_path)
    assert await later.find("resp_1") == found
    await later.end()


async def test_events_and_tokens_come_back_as_they_were(tmp_path: Path) -> None:
    """From any number on; infinite log-probabilities too."""
    store = await open_store(tmp_path)
    number = await begun(store, "resp_1")
    first = Batch([5, 6], None, 3, [Logprobs(-0.5, [5], [-0.5]), Logprobs(-1.0, [7], [0.0])])
    last = Batch([2], Finish.STOP, 0, [Logprobs(float("-inf"), [], [])])
    assert await append(store, Entry(number, 1, events(1, 2), pack([first]), store.worker)) is None
    assert await append(store, Entry(number, 3, events(3), pack([last]), store.worker)) is None
    whole = [events(each).encode() for each in range(4)]
    for start in range(5):
        assert await store.events(number, start) == whole[start:]
    told = await store.told(number)
    assert (told.batches, told.num_events, told.last_event) == ([first, last], 4, whole[3])
    await store.end()


async def test_many_streams_are_written_together(tmp_path: Path) -> None:
    """Each gets its own events, in order."""
    store = await open_store(tmp_path)
    numbers = [await begun(store, f"resp_{each}") for each in range(8)]
    outcomes = await asyncio.gather(
        *(
            append(store, Entry(number, place, events(place), pack([]), store.worker))
            for place in range(1, 20)
            for number in numbers
        )
    )
    assert set(outcomes) == {None}
    for number in numbers:
        assert await store.events(number, 0) == [events(each).encode() for each in range(20)]
    await store.end()


async def test_only_the_owner_writes(tmp_path: Path) -> None:
    """Whoever was taken over, or is not wanted any more, is told so; others are not harmed."""
    store, other = await open_store(tmp_path), await open_store(tmp_path)
    taken, unwanted, fine = [await begun(store, f"resp_{each}") for each in range(3)]
    await other.take(taken, store.worker)
    await other.request_end(unwanted)
    outcomes = await asyncio.gather(
        *(
            append(store, Entry(number, 1, events(1), pack([]), store.worker))
            for number in (taken, unwanted, fine)
        )
    )
    assert [type(each) for each in outcomes] == [NotOurs, NotOurs, type(None)]
    assert await store.events(fine, 1) == [events(1).encode()]
    assert await store.events(taken, 1) == []
    end = End(b"{}", 7, [])
    with pytest.raises(NotOurs):
        await store.finish(Entry(taken, 1, events(1), pack([]), store.worker), end)
    await store.finish(Entry(unwanted, 1, events(1), pack([]), store.worker), end)
    assert await store.is_ended(unwanted) is True
    with pytest.raises(NotOurs):
        await store.take(taken, store.worker)
    await store.end()
    await other.end()


async def test_it_is_known_which_workers_live(tmp_path: Path) -> None:
    """And what those that do not have left."""
    store, other = await open_store(tmp_path), await open_store(tmp_path)
    number = await begun(other, "resp_1")
    (left,) = await store.unfinished()
    assert (left.number, left.id, left.owner) == (number, "resp_1", other.worker)
    assert store.is_alive(other.worker)
    assert store.is_alive(store.worker)
    await other.end()
    assert not store.is_alive(other.worker)
    assert not store.is_alive(0)
    await store.take(number, other.worker)
    await store.release([number])
    (released,) = await store.unfinished()
    assert released.owner == 0
    await store.end()


async def test_a_conversation_is_a_chain(tmp_path: Path) -> None:
    """Of all that a response goes on from; those are kept for as long as it is."""
    store = await open_store(tmp_path)
    await store.create(new("resp_1", ended=1, expires=10, input=b'[{"id":"msg_1"}]'))
    await store.create(new("resp_2", ended=1, expires=20, previous="resp_1"))
    await store.create(new("resp_3", ended=1, expires=30, previous="resp_2"))
    assert [each.id for each in await store.chain("resp_3")] == ["resp_1", "resp_2", "resp_3"]
    assert await store.chain("resp_4") == []
    await store.tidy(now=25, max_bytes=2**30)
    assert len(await store.chain("resp_3")) == 3
    await store.tidy(now=30, max_bytes=2**30)
    assert await store.chain("resp_3") == []
    await store.end()


async def test_items_are_found_by_their_keys_owner(tmp_path: Path) -> None:
    """Until the response is deleted."""
    store = await open_store(tmp_path)
    number = await store.create(new("resp_1", ended=1, key="k", item_ids=["msg_1"]))
    assert [each.id for each in await store.with_items(["msg_1", "msg_2"], "k")] == ["resp_1"]
    assert await store.with_items(["msg_1"], "other") == []
    await store.delete(number)
    assert await store.with_items(["msg_1"], "k") == []
    assert await store.find("resp_1") is None
    await store.end()


async def test_what_is_too_old_or_too_much_is_removed(tmp_path: Path) -> None:
    """The oldest first, never what is in the making; and the file gets smaller."""
    store = await open_store(tmp_path)
    making = await begun(store, "resp_making", expires=1)
    for each in range(60):
        await store.create(new(f"resp_{each}", ended=1, expires=100 + each, request=b"x" * 50_000))
    await store.tidy(now=110, max_bytes=2**30)
    assert await store.find("resp_10") is None
    assert await store.find("resp_11") is not None
    await store.tidy(now=110, max_bytes=1_000_000)
    assert await store.find("resp_40") is None
    assert await store.find("resp_59") is not None
    assert await store.is_ended(making) is False
    await store.end()
    with sqlite3.connect(tmp_path / NAME) as connection:
        assert connection.execute("PRAGMA page_count").fetchone()[0] * 4096 < 3_000_000


async def test_the_events_of_an_old_response_are_removed_before_it(tmp_path: Path) -> None:
    """An hour after its end."""
    store = await open_store(tmp_path)
    number = await begun(store, "resp_1")
    last = Entry(number, 1, events(1), pack([]), store.worker)
    await store.finish(last, End(b"{}", 1000, []))
    await store.tidy(now=1000 + housekeeping.JOURNAL_SECONDS - 1, max_bytes=2**30)
    assert len(await store.events(number, 0)) == 2
    await store.tidy(now=1000 + housekeeping.JOURNAL_SECONDS, max_bytes=2**30)
    assert await store.events(number, 0) == []
    found = await store.find("resp_1")
    assert found is not None
    assert not found.is_streamed
    await store.end()


async def test_a_long_log_is_copied_into_the_database(tmp_path: Path) -> None:
    """While nobody waits for it."""
    store = await open_store(tmp_path)
    log = tmp_path / f"{NAME}-wal"
    for each in range(40):
        await store.create(new(f"resp_{each}", ended=1, request=b"x" * 2_000_000))
    assert log.stat().st_size > housekeeping.TOO_LONG_LOG_BYTES
    await store.tidy(now=1, max_bytes=2**30)
    assert log.stat().st_size == 0
    assert await store.find("resp_39") is not None
    await store.end()


async def test_who_waits_hears_of_what_another_writes(tmp_path: Path) -> None:
    """Or that nothing was written for so long."""
    store, other = await open_store(tmp_path), await open_store(tmp_path)
    changes = Changes(store)
    waiting = asyncio.ensure_future(changes.wait(60.0))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await other.create(new("resp_1"))
    await asyncio.wait_for(waiting, 60.0)
    await changes.wait(0.01)
    await store.end()
    await other.end()


async def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """With what to do about it; nothing in it is touched."""
    connect(tmp_path).close()
    with sqlite3.connect(tmp_path / NAME) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreUnavailable, match="install a later one"):
        await open_store(tmp_path)


async def test_what_can_not_be_opened_says_so(tmp_path: Path) -> None:
    """A file that is no database, or a directory that can't be made."""
    (tmp_path / NAME).write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailable, match=r"responses.db can't be opened"):
        await open_store(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        await open_store(tmp_path / "file" / "state")


async def test_a_failure_of_the_database_is_told_to_all_who_wait(tmp_path: Path) -> None:
    """What was written together fails together, and the next is tried anew."""
    store = await open_store(tmp_path)
    number = await begun(store, "resp_1")
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("ALTER TABLE journal RENAME TO hidden")
    outcome = await append(store, Entry(number, 1, events(1), pack([]), store.worker))
    assert isinstance(outcome, StoreUnavailable)
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("ALTER TABLE hidden RENAME TO journal")
    assert await append(store, Entry(number, 1, events(1), pack([]), store.worker)) is None
    await store.end()


def test_entries_travel_as_json() -> None:
    """The statement that appends reads them by their places."""
    entry = Entry(1, 2, "é\n\n", pack([]), 4)
    assert msgspec.json.decode(msgspec.json.encode(entry)) == [1, 2, "é\n\n", pack([]), 4]
