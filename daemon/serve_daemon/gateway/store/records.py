"""The rows of responses: each function here is a part of a transaction, or reads by itself."""

import sqlite3
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from serve_daemon.gateway.store import journal
from serve_daemon.gateway.store.journal import Entry
from serve_daemon.gateway.store.ownership import NOBODY


class NewRecord(Struct, frozen=True):
    """A response that is to be kept from now on."""

    id: str
    created: int
    expires: int
    key: str
    is_background: bool
    is_streamed: bool  # there is a journal
    previous: str | None
    request: bytes
    input: bytes
    response: bytes
    item_ids: list[str] = []  # of its input, and of its output so far
    owner: int = NOBODY  # else it is in the making
    ended: int | None = None
    resumption: bytes | None = None


class Record(Struct, frozen=True, array_like=True):
    """A response that is kept."""

    number: int
    id: str
    created: int
    ended: int | None  # None while it is in the making
    key: str
    is_background: bool
    is_streamed: bool  # there is a journal
    owner: int
    previous: str | None
    request: bytes
    input: bytes
    response: bytes
    resumption: bytes | None


_FIELDS = (
    "number, id, created, ended, key, background, is_streamed, owner, previous, request, input,"
    " response, resumption"
)


def create(connection: sqlite3.Connection, new: NewRecord, told: str = "") -> int:
    """Returns its number; `told`: the events with which it begins."""
    cursor = connection.execute(
        "INSERT INTO responses (id, created, expires, key, background, is_streamed, previous,"
        " request, input, response, owner, ended, resumption)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.id,
            new.created,
            new.expires,
            new.key,
            new.is_background,
            new.is_streamed,
            new.previous,
            new.request,
            new.input,
            new.response,
            new.owner,
            new.ended,
            new.resumption,
        ),
    )
    if new.previous is not None:
        _keep_ancestors(connection, new.previous, new.expires)
    number = int(cursor.lastrowid or 0)
    add_items(connection, number, new.item_ids)
    if told:
        journal.write(connection, Entry(number, 0, told, journal.pack([]), new.owner))
    return number


def add_items(connection: sqlite3.Connection, number: int, ids: Iterable[str]) -> None:
    """An item that is sent back is in several responses: the first is as good as any."""
    statement = "INSERT OR IGNORE INTO items (id, response) VALUES (?, ?)"
    connection.executemany(statement, [(each, number) for each in ids])


def _keep_ancestors(connection: sqlite3.Connection, newest: str, expires: int) -> None:
    """What a response goes on from is kept for as long as that response."""
    connection.execute(
        _CHAIN + "UPDATE responses SET expires = max(expires, ?2)"  # noqa: S608
        " WHERE number IN (SELECT number FROM chain)",
        (newest, expires),
    )


_CHAIN = (
    "WITH RECURSIVE chain (number, previous, place) AS ("
    " SELECT number, previous, 0 FROM responses WHERE id = ?1"
    " UNION ALL SELECT r.number, r.previous, place + 1"
    " FROM responses AS r JOIN chain ON r.id = chain.previous) "
)


class Link(Struct, frozen=True, array_like=True):
    """A response of a conversation."""

    id: str
    key: str
    previous: str | None
    is_ended: bool
    input: bytes
    response: bytes


def chain(connection: sqlite3.Connection, newest: str, limit_bytes: int) -> list[Link]:
    """The conversation that ends with this response, the oldest first; [] where it is unknown.

    Raises `ValueError` where it is larger than that.
    """
    found: list[Link] = []
    size = 0
    rows = connection.execute(
        _CHAIN + "SELECT r.id, r.key, r.previous, r.ended IS NOT NULL,"  # noqa: S608
        " r.input, r.response"
        " FROM chain JOIN responses AS r USING (number) ORDER BY place",
        (newest,),
    )
    for row in rows:
        link = msgspec.convert(row, Link, strict=False)
        size += len(link.input) + len(link.response)
        if size > limit_bytes:
            raise ValueError(f"the conversation has more than {limit_bytes} bytes")
        found.append(link)
    return found[::-1]


def find(connection: sqlite3.Connection, response_id: str) -> Record | None:
    row = connection.execute(
        f"SELECT {_FIELDS} FROM responses WHERE id = ?",  # noqa: S608 - our own names
        (response_id,),
    ).fetchone()
    return None if row is None else msgspec.convert(row, Record, strict=False)


def is_ended(connection: sqlite3.Connection, number: int) -> bool | None:
    """None where it is gone."""
    statement = "SELECT ended IS NOT NULL FROM responses WHERE number = ?"
    row = connection.execute(statement, (number,)).fetchone()
    return None if row is None else bool(row[0])


def with_items(connection: sqlite3.Connection, ids: Iterable[str], key: str) -> list[Link]:
    """The responses of this key that have these items, as far as there are any."""
    found = []
    for each in ids:
        row = connection.execute(
            "SELECT r.id, r.key, r.previous, r.ended IS NOT NULL, r.input, r.response"
            " FROM items JOIN responses AS r ON r.number = items.response"
            " WHERE items.id = ? AND r.key = ?",
            (each, key),
        ).fetchone()
        if row is not None:
            found.append(msgspec.convert(row, Link, strict=False))
    return found


def delete(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Forget them, with all that belongs to them."""
    rows = [(number,) for number in numbers]
    connection.executemany("DELETE FROM journal WHERE response = ?", rows)
    connection.executemany("DELETE FROM items WHERE response = ?", rows)
    connection.executemany("DELETE FROM responses WHERE number = ?", rows)
