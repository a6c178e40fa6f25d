"""The environments that engines run in: which there are, which is the current one, and their ends.

DIRECTORY/HASH is one, whole from the moment that it is there. `current` and `previous` are links to
two of them. What begins with a dot is under way, or was when somebody died.
"""

import contextlib
import fcntl
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from serve_daemon.cli.engine_errors import EngineSetupError
from serve_daemon.config.probe import Device

STATE_DIRECTORY = Path("/var/lib/serve-daemon")
DIRECTORY = STATE_DIRECTORY / "engine"
SERVICE_USER = "serve-daemon"
FACTS = "environment.json"
PYTHON = "bin/python"
_CURRENT, _PREVIOUS = "current", "previous"
_LOCK, _UNDER_WAY = ".lock", ".under-way-"


class Facts(Struct, frozen=True, kw_only=True):
    """What an environment was found to be when it was made; kept in it."""

    lock: str
    made: float  # Unix seconds
    bytes: int
    versions: dict[str, str]  # of the interpreter and of the packages that matter, by name
    devices: list[Device]  # that were there


class Environment(Struct, frozen=True, kw_only=True):
    """One of them, as it is now."""

    name: str
    path: str
    facts: Facts
    is_current: bool
    is_previous: bool
    problem: str  # why no engine can run in it, or ""


class Environments:
    """Those in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    # ------------------------------------------------------------ what there is

    def all(self) -> list[Environment]:
        """The newest first. Raises `EngineSetupError` where nobody may look."""
        try:
            names = [each.name for each in self.directory.iterdir() if not each.is_symlink()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise EngineSetupError(f"{self.directory}: {error.strerror}") from error
        found = filter(None, map(self.find, names))
        return sorted(found, key=lambda each: each.facts.made, reverse=True)

    def find(self, name: str) -> Environment | None:
        path = self.directory / name
        if name.startswith(".") or "/" in name or path.is_symlink():
            return None
        try:
            facts = msgspec.json.decode((path / FACTS).read_bytes(), type=Facts)
        except (OSError, msgspec.DecodeError):  # nothing that was made here
            return None
        return Environment(
            name=name,
            path=str(path),
            facts=facts,
            is_current=name == self.current(),
            is_previous=name == self.previous(),
            problem=_problem(path),
        )

    def current(self) -> str:
        """Its name; "" for none."""
        return self._linked(_CURRENT)

    def previous(self) -> str:
        """The one that was current before; "" for none."""
        name = self._linked(_PREVIOUS)
        return name if name != self.current() else ""

    def _linked(self, link: str) -> str:
        with contextlib.suppress(OSError):
            name = str((self.directory / link).readlink())
            if (self.directory / name).is_dir():
                return name
        return ""

    # ------------------------------------------------------------ changes

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Be the only one who changes anything here; what was under way is cleared away.

        Raises `EngineSetupError` where somebody else is, or where others could.
        """
        _prepare(self.directory)
        descriptor = os.open(
            self.directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EngineSetupError(
                    f"another servectl changes {self.directory}: wait until it has ended"
                ) from error
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def under_way(self) -> Iterator[Path]:
        """A directory that is gone afterwards, unless it was placed."""
        path = Path(tempfile.mkdtemp(prefix=_UNDER_WAY, dir=self.directory))
        try:
            path.chmod(0o755)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def place(self, made: Path, name: str) -> None:
        """Give what was made its name; what had it is of no use."""
        self.remove(name)
        made.rename(self.directory / name)

    def switch(self, name: str) -> None:
        """Make it the current one. At any moment there is one."""
        before = self.current()
        if before != name:
            self._link(_CURRENT, name)
            if before:
                self._link(_PREVIOUS, before)

    def remove(self, name: str) -> None:
        """It is gone at once, even if this is interrupted."""
        path = self.directory / name
        if path.is_dir():
            doomed = Path(tempfile.mkdtemp(prefix=_UNDER_WAY, dir=self.directory))
            path.rename(doomed / name)
            shutil.rmtree(doomed)

    def _link(self, link: str, name: str) -> None:
        with self.under_way() as beside:
            (beside / link).symlink_to(name)
            (beside / link).replace(self.directory / link)

    def _sweep(self) -> None:
        for each in self.directory.glob(f"{_UNDER_WAY}*"):
            shutil.rmtree(each, ignore_errors=True)


def users_of(environment: Environment) -> list[int]:
    """Processes that run in it, as far as this user may see."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            program = each.read_bytes().partition(b"\0")[0]
            if program.startswith(f"{environment.path}/".encode()):
                found.append(int(each.parent.name))
    return sorted(found)


def _problem(environment: Path) -> str:
    if not os.access(environment / PYTHON, os.X_OK):
        return "its Python is gone"
    if not any(environment.glob("lib/python3*/site-packages/serve_daemon/__init__.py")):
        return "the serve-daemon that it belongs to is gone"
    return ""


def _prepare(directory: Path) -> None:
    """Have the directory, which is the caller's alone to change. Raises `EngineSetupError`."""
    try:
        if directory == DIRECTORY and os.geteuid() == 0:
            _make_state_directory()
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise EngineSetupError(
            f"{directory} can't be made: {error.strerror}; be root, or name one by --directory"
        ) from error
    told = directory.lstat()
    if stat.S_ISLNK(told.st_mode):
        raise EngineSetupError(f"{directory} is a link: name what it leads to by --directory")
    if told.st_uid != os.geteuid():
        owner = "root" if told.st_uid == 0 else f"uid {told.st_uid}"
        raise EngineSetupError(
            f"{directory} belongs to {owner}: run this as its owner, or name one by --directory"
        )
    if told.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EngineSetupError(f"others may write to {directory}: chmod go-w {directory}")


def _make_state_directory() -> None:
    """As systemd would: of one that root had, it would give all to the service."""
    if STATE_DIRECTORY.exists():
        return
    STATE_DIRECTORY.mkdir(mode=0o750, parents=True)
    with contextlib.suppress(KeyError):  # no such user: nothing to be kept from anybody
        user = pwd.getpwnam(SERVICE_USER)
        os.chown(STATE_DIRECTORY, user.pw_uid, user.pw_gid)
