"""The directories of a daemon, made and claimed: no two daemons share a runtime directory."""

import fcntl
from typing import IO

from serve_daemon.config.directories import prepare
from serve_daemon.supervisor.programs import Directories


class AlreadyRunning(Exception):  # noqa: N818 - it names what was found
    """Another daemon uses the runtime directory."""


def claim(directories: Directories) -> IO[str]:
    """Make them. They are claimed for as long as what this returns is open.

    Raises `AlreadyRunning`.
    """
    for each in (directories.runtime, directories.runtime / "engines", directories.cache):
        prepare(each)
    lock = (directories.runtime / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise AlreadyRunning(
            f"another serve-daemon runs with {directories.runtime};"
            " stop it, or give this one another RUNTIME_DIRECTORY"
        ) from None
    return lock
