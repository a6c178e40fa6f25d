"""The files that a configuration names for what must not stand in it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DIRECTORY = "CREDENTIALS_DIRECTORY"  # where systemd puts what LoadCredential= names
LARGEST_BYTES = 1024 * 1024  # as systemd has it


class Unusable(Exception):  # noqa: N818 - it names what was found
    """A credential that is missing, or open to everyone: what, and what to do."""


class OutOfSight(Exception):  # noqa: N818 - it names what was found
    """A credential that may be good, but is not for whoever runs this: what, and what to do."""


def read_credential(name: str, directory: str, *, is_secret: bool = True) -> bytes:
    """The content of an absolute path, or of a file in the `directory` of credentials.

    Raises `Unusable` or `OutOfSight`.
    """
    if not name.startswith("/") and not directory:
        raise OutOfSight(
            f'"{name}" is a credential, and there are none here: have the unit load it with'
            f" LoadCredential={name}:/PATH, or write an absolute path"
        )
    path = Path(directory, name)
    with _opened(path) as descriptor:
        _check_mode(path, os.fstat(descriptor).st_mode, is_secret=is_secret)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise Unusable(f"{path} is larger than {LARGEST_BYTES} bytes, name another file")
    return content


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        # A pipe that nobody writes to must not hold the daemon up.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise Unusable(f"there is no file {path}, make it or name another one") from None
    except PermissionError:
        raise OutOfSight(f"{path} may not be read, let the daemon's user read it") from None
    except OSError as error:
        raise Unusable(f"{path} can't be read ({error.strerror}), name another file") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check_mode(path: Path, mode: int, *, is_secret: bool) -> None:
    if not stat.S_ISREG(mode):
        raise Unusable(f"{path} is no file, name one")
    if is_secret and mode & stat.S_IROTH:
        raise Unusable(f"{path} may be read by everyone, forbid it: chmod o= {path}")
