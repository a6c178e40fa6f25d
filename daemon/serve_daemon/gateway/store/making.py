"""The rows of responses in the making: each function here is a part of a transaction."""

import sqlite3
from collections.abc import Iterable

from msgspec import Struct

from serve_daemon.gateway.store import journal
from serve_daemon.gateway.store.errors import NotOurs
from serve_daemon.gateway.store.journal import Entry
from serve_daemon.gateway.store.records import add_items

_OWNED = "number = ? AND owner = ? AND ended IS NULL"


def prepare(
    connection: sqlite3.Connection, number: int, owner: int, resumption: bytes, response: bytes
) -> None:
    """Keep what the next owner would need, and the response as it is. Raises `NotOurs`."""
    statement = f"UPDATE responses SET resumption = ?, response = ? WHERE {_OWNED}"  # noqa: S608
    if not connection.execute(statement, (resumption, response, number, owner)).rowcount:
        raise NotOurs


class End(Struct, frozen=True):
    """A response as it is in the end."""

    response: bytes
    ended: int
    item_ids: list[str]  # of its output


def finish(connection: sqlite3.Connection, last: Entry, end: End) -> None:
    """Append the last events, with the response as it is from now on. Raises `NotOurs`."""
    changed = connection.execute(
        "UPDATE responses SET response = ?, ended = ?, owner = 0, resumption = NULL"  # noqa: S608
        f" WHERE {_OWNED}",
        (end.response, end.ended, last.response, last.owner),
    )
    if not changed.rowcount:
        raise NotOurs
    add_items(connection, last.response, end.item_ids)
    if last.events:
        journal.write(connection, last)


def settle(connection: sqlite3.Connection, number: int, owner: int, end: End) -> None:
    """Keep the response as it is in the end, without its events. Raises `NotOurs`."""
    finish(connection, Entry(number, 0, "", "", owner), end)
    connection.execute("DELETE FROM journal WHERE response = ?", (number,))
    connection.execute("UPDATE responses SET is_streamed = 0 WHERE number = ?", (number,))


def request_end(connection: sqlite3.Connection, number: int) -> None:
    """Have whoever makes it see that it is not wanted any more."""
    statement = "UPDATE responses SET is_unwanted = 1 WHERE number = ? AND ended IS NULL"
    connection.execute(statement, (number,))


def release(connection: sqlite3.Connection, owner: int, numbers: Iterable[int]) -> None:
    """Leave them to whoever takes them."""
    connection.executemany(
        f"UPDATE responses SET owner = 0 WHERE {_OWNED}",  # noqa: S608
        [(number, owner) for number in numbers],
    )


class Unfinished(Struct, frozen=True):
    """A response in the making, and by whom."""

    number: int
    id: str
    owner: int
    is_unwanted: bool


def unfinished(connection: sqlite3.Connection) -> list[Unfinished]:
    """All of them, the oldest first."""
    return [
        Unfinished(number, id_, owner, bool(is_unwanted))
        for number, id_, owner, is_unwanted in connection.execute(
            "SELECT number, id, owner, is_unwanted FROM responses WHERE ended IS NULL"
            " ORDER BY number"
        )
    ]


def take(connection: sqlite3.Connection, number: int, old: int, new: int) -> None:
    """Make a response that `old` made. Raises `NotOurs` where somebody else was first."""
    statement = f"UPDATE responses SET owner = ? WHERE {_OWNED}"  # noqa: S608
    if not connection.execute(statement, (new, number, old)).rowcount:
        raise NotOurs
