"""Which code is installed: what a gateway would run that is started now."""

import contextlib
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
NOT_OF_GATEWAYS = ("cli", "engine", "supervisor")

Stamp = tuple[Path, int, int]  # of a file: its time in nanoseconds and its size


def digest() -> str:
    """Of every module that a gateway may import, as it lies on the disk, and of the version.

    What an upgrade under way takes away meanwhile is left out; the digest is another one later.
    """
    return _digest(PACKAGE, tuple(sorted(_stamps())))


def _stamps() -> Iterator[Stamp]:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in NOT_OF_GATEWAYS:
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield path, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1)  # a configuration is read often, and the code hardly ever another
def _digest(package: Path, stamps: tuple[Stamp, ...]) -> str:
    code = hashlib.sha256()
    for path, *_ in stamps:
        with contextlib.suppress(FileNotFoundError):
            name = str(path.relative_to(package)).encode()
            code.update(b"%s\0%s\0" % (name, path.read_bytes()))
    return code.hexdigest()
