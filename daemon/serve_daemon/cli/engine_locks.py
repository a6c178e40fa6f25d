"""Locks of engines' environments: which packages they have, each with the hashes of its files."""

import hashlib
import os
import platform
import re
import sys
import zipfile
from pathlib import Path

from msgspec import Struct

from serve_daemon.cli.engine_errors import EngineSetupError

FOLDER = Path(__file__).parent / "locks"
DEFAULT = "cuda"  # PyTorch as its makers have it on PyPI; it computes on CPUs alone, too
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_DOWNLOAD = re.compile(r"^# download on (\S+): (\d+) bytes$", re.MULTILINE)
# While packages are unpacked, what was downloaded is there as well.
_TIMES_DOWNLOAD = 3


class Lock(Struct, frozen=True):
    """What one environment is made of."""

    name: str  # of a lock that comes with this package, or the path of another one
    text: str  # as `pip install --requirement` takes it

    @property
    def packages(self) -> dict[str, str]:
        """Versions by name."""
        return {_plain(name): version for name, version in _PIN.findall(self.text)}

    def key(self, package: Path) -> str:
        """A name for the environment made of it here, which runs the code in `package`."""
        interpreter = f"{sys.implementation.cache_tag} {os.path.realpath(sys.executable)}"
        lines = (self.text, interpreter, platform.machine(), str(package))
        return hashlib.sha256("\0".join(lines).encode()).hexdigest()[:12]

    def needed_bytes(self, wheelhouse: Path | None) -> int:
        """Of the disk, while it is installed; 0 where nobody can tell."""
        if wheelhouse is not None:
            names = self.packages
            return sum(
                _unpacked_bytes(wheel)
                for wheel in wheelhouse.glob("*.whl")
                if _plain(wheel.name.partition("-")[0]) in names
            )
        told = dict(_DOWNLOAD.findall(self.text))
        return _TIMES_DOWNLOAD * int(told.get(platform.machine(), 0))


def shipped() -> list[str]:
    """The locks that come with this package."""
    return sorted(each.stem for each in FOLDER.glob("*.txt"))


def named(name: str) -> Lock:
    """The lock of that name, or of that path where it has a slash. Raises `EngineSetupError`."""
    path = Path(name) if "/" in name else FOLDER / f"{name}.txt"
    try:
        return Lock(str(path.resolve()) if "/" in name else name, path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(shipped())
        hint = f"this version has: {known}; a path of your own has a slash, as ./lock.txt"
        raise EngineSetupError(f"no lock {name} can be read ({error}); {hint}") from error


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _unpacked_bytes(wheel: Path) -> int:
    try:
        with zipfile.ZipFile(wheel) as opened:
            return sum(each.file_size for each in opened.infolist())
    except (OSError, zipfile.BadZipFile):  # pip says what is wrong with it, if it is wanted
        return 0
