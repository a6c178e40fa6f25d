"""What keeps the database small and its log short. Each step is a short transaction."""

import sqlite3
from pathlib import Path

from serve_daemon.gateway.store import records
from serve_daemon.gateway.store.database import NAME

JOURNAL_SECONDS = 3600  # after its end, that a response can still be streamed
DELETED_AT_ONCE = 16  # responses; others write between two steps
FREED_PAGES_AT_ONCE = 256
LONG_LOG_BYTES = 4 * 1024 * 1024
TOO_LONG_LOG_BYTES = 64 * 1024 * 1024


def tidy(connection: sqlite3.Connection, now: int, max_bytes: int) -> bool:
    """Do one step of what is to be done; returns whether there may be more."""
    return (
        _delete(connection, _expired(connection, now))
        or _drop_journals(connection, now - JOURNAL_SECONDS)
        or _delete(connection, _beyond(connection, max_bytes))
        or _give_back(connection)
    )


def _expired(connection: sqlite3.Connection, now: int) -> list[int]:
    rows = connection.execute(
        "SELECT number FROM responses WHERE expires <= ? AND ended IS NOT NULL"
        " ORDER BY expires, number LIMIT ?",
        (now, DELETED_AT_ONCE),
    )
    return [number for (number,) in rows]


def _beyond(connection: sqlite3.Connection, max_bytes: int) -> list[int]:
    """The oldest, where all together are too large."""
    if used_bytes(connection) <= max_bytes:
        return []
    rows = connection.execute(
        "SELECT number FROM responses WHERE ended IS NOT NULL ORDER BY expires, number LIMIT ?",
        (DELETED_AT_ONCE,),
    )
    return [number for (number,) in rows]


def _delete(connection: sqlite3.Connection, numbers: list[int]) -> bool:
    if not numbers:
        return False
    connection.execute("BEGIN IMMEDIATE")
    records.delete(connection, numbers)
    connection.execute("COMMIT")
    return True


def _drop_journals(connection: sqlite3.Connection, ended_before: int) -> bool:
    rows = connection.execute(
        "SELECT number FROM responses WHERE is_streamed AND ended <= ? LIMIT ?",
        (ended_before, DELETED_AT_ONCE),
    ).fetchall()
    if rows:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM journal WHERE response = ?", rows)
        connection.executemany("UPDATE responses SET is_streamed = 0 WHERE number = ?", rows)
        connection.execute("COMMIT")
    return bool(rows)


def _give_back(connection: sqlite3.Connection) -> bool:
    """Return pages that nothing is in to the file system."""
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    if free <= FREED_PAGES_AT_ONCE:
        return False
    connection.execute(f"PRAGMA incremental_vacuum({FREED_PAGES_AT_ONCE})").fetchall()
    return True


def used_bytes(connection: sqlite3.Connection) -> int:
    """What the responses take; the file may be larger."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def shorten_log(connection: sqlite3.Connection, directory: Path) -> None:
    """Copy the log into the database, where it has got long.

    That syncs, so it is no writer's business. Writers go on meanwhile, unless the log has got far
    too long because they never paused: then they wait for the little that is left.
    """
    size = _size(directory / f"{NAME}-wal")
    if size > LONG_LOG_BYTES:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    if size > TOO_LONG_LOG_BYTES:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
