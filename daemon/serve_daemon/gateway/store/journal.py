"""The events of a response, as they went out, and the tokens that they were made of."""

import sqlite3
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from serve_daemon.gateway.common.batches import Batch

EVENT_END = "\n\n"
READ_ROWS = 256  # at once: a few hundred tokens

_encode = msgspec.json.Encoder().encode
# Not JSON, which has no infinity: a log-probability may be one.
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Batch]).decode

# One statement for what all streams have told in a turn of the loop. Each statement lets go of the
# interpreter and has to get it back, which takes longest where there is most to do.
_APPEND = """
    INSERT INTO journal (response, first, events, batches)
    SELECT new.value ->> 0, new.value ->> 1, new.value ->> 2, new.value ->> 3
    FROM json_each(?) AS new
    WHERE EXISTS (
        SELECT 1 FROM responses AS r
        WHERE r.number = new.value ->> 0 AND r.owner = new.value ->> 4 AND NOT r.is_unwanted
    )
"""


class Entry(Struct, frozen=True, array_like=True):
    """Events that follow one another, with the tokens that have come since the last entry."""

    response: int  # its number
    first: int  # sequence_number of the first event
    events: str
    batches: str  # msgpack, in base64: it travels in JSON
    owner: int


def pack(batches: Sequence[Batch]) -> str:
    return b2a_base64(_pack(batches), newline=False).decode()


def append(connection: sqlite3.Connection, entries: Sequence[Entry]) -> set[int]:
    """Write them; returns the responses that are not their owners' any more, of which none is."""
    written = connection.execute(_APPEND, (_encode(entries).decode(),)).rowcount
    if written == len(entries):
        return set()
    return {each.response for each in entries if not _is_owned(connection, each)}


def _is_owned(connection: sqlite3.Connection, entry: Entry) -> bool:
    statement = "SELECT 1 FROM responses WHERE number = ? AND owner = ? AND NOT is_unwanted"
    return connection.execute(statement, (entry.response, entry.owner)).fetchone() is not None


def write(connection: sqlite3.Connection, entry: Entry) -> None:
    """Append in a transaction that has seen to the rest."""
    connection.execute(
        "INSERT INTO journal (response, first, events, batches) VALUES (?, ?, ?, ?)",
        (entry.response, entry.first, entry.events, entry.batches),
    )


def read(connection: sqlite3.Connection, response: int, first: int) -> list[bytes]:
    """Events from this sequence_number on, many at once; none where there are none yet."""
    rows = connection.execute(
        "SELECT first, events FROM journal WHERE response = ?1 AND first >= coalesce("
        " (SELECT max(first) FROM journal WHERE response = ?1 AND first <= ?2), 0)"
        " ORDER BY first LIMIT ?3",
        (response, first, READ_ROWS),
    ).fetchall()
    if not rows:
        return []
    frames = [frame for _, events in rows for frame in split(events)]
    return frames[first - rows[0][0] :]


def split(events: str) -> list[bytes]:
    """Each event by itself; no event has an empty line in it."""
    return [(event + EVENT_END).encode() for event in events.split(EVENT_END)[:-1]]


class Told(Struct, frozen=True):
    """How far a response has come."""

    batches: list[Batch]
    num_events: int
    last_event: bytes  # b"" where there is none


def told(connection: sqlite3.Connection, response: int) -> Told:
    """All that was told of a response, for whoever goes on with it."""
    batches: list[Batch] = []
    num_events, last = 0, ""
    for first, events, tokens in connection.execute(
        "SELECT first, events, batches FROM journal WHERE response = ? ORDER BY first", (response,)
    ):
        batches += _unpack(a2b_base64(tokens))
        num_events, last = first + events.count(EVENT_END), events
    return Told(batches, num_events, split(last)[-1] if last else b"")
