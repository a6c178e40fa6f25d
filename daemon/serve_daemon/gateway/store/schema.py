"""The tables of the database of responses, and how an older one becomes one of today."""

import sqlite3

from serve_daemon.gateway.store.errors import StoreUnavailable

# Each makes of version N, its place in this list, version N + 1. Never edit one that was released.
MIGRATIONS = [
    """
    CREATE TABLE responses (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL,       -- Unix seconds, as all times here
        expires INTEGER NOT NULL,
        ended INTEGER,                  -- NULL while it is in the making
        key TEXT NOT NULL,              -- the name of the API key that it belongs to, or ''
        background INTEGER NOT NULL,
        is_streamed INTEGER NOT NULL,   -- its events are in the journal
        owner INTEGER NOT NULL,         -- the worker that makes it; 0: none
        is_unwanted INTEGER NOT NULL DEFAULT 0,  -- it was cancelled, and its owner is to see to it
        previous TEXT,                  -- the id of the response that it goes on from
        request BLOB NOT NULL,          -- the body of its POST
        input BLOB NOT NULL,            -- JSON array: its own input items, with their ids
        response BLOB NOT NULL,         -- JSON object: the response, as it was last told
        resumption BLOB                 -- what the next owner needs to go on
    );
    CREATE INDEX responses_by_expiry ON responses (expires, number);
    CREATE INDEX responses_with_journal ON responses (ended) WHERE is_streamed;
    CREATE INDEX responses_in_the_making ON responses (owner) WHERE ended IS NULL;
    CREATE TABLE journal (
        response INTEGER NOT NULL,      -- its number
        first INTEGER NOT NULL,         -- sequence_number of the first event here
        events TEXT NOT NULL,           -- server-sent events, as they went out, one after another
        batches TEXT NOT NULL,          -- base64 of msgpack: the tokens that they were made of
        PRIMARY KEY (response, first)
    ) WITHOUT ROWID;
    CREATE TABLE items (
        id TEXT PRIMARY KEY,            -- of an input or an output item
        response INTEGER NOT NULL       -- in which it is
    ) WITHOUT ROWID;
    CREATE INDEX items_of_response ON items (response);
    """,
]
VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the database to today's version.

    Raises `StoreUnavailable` where a later version of this program has made it.
    """
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")  # of several workers, one migrates
    found = _version(connection)
    if found <= VERSION:
        for migration in MIGRATIONS[found:]:
            for statement in filter(str.strip, migration.split(";\n")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
    if found > VERSION:
        raise StoreUnavailable(
            f"the database of responses is of version {found}, and this program knows none after"
            f" {VERSION}: install a later one, or move responses.db away"
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
