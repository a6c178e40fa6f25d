"""Connections to the database of responses.

It is in WAL mode: what is committed survives the death of any process, since it is with the
kernel. It is synced where the log is copied into the database, by `housekeeping`; a power cut may
lose what was committed since, and leaves the database whole.
"""

import sqlite3
from pathlib import Path

from serve_daemon.gateway.store.errors import StoreUnavailable
from serve_daemon.gateway.store.schema import migrate

NAME = "responses.db"
BUSY_SECONDS = 10.0  # another worker writes for milliseconds, or the disk is in trouble
CACHE_KIBIBYTES = 4096


def connect(directory: Path) -> sqlite3.Connection:
    """A connection for any one thread at a time, to a database of today's version.

    Raises `StoreUnavailable`.
    """
    path = directory / NAME
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        path.chmod(0o640)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # a writer would wait for the disk
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        migrate(connection)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"{path} can't be opened: {error}") from error
    return connection


def data_version(connection: sqlite3.Connection) -> int:
    """Another number whenever another connection has committed."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)
