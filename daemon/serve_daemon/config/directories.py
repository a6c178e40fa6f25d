"""Where the daemon keeps what it writes: the runtime, state and cache directories.

Each is systemd's if systemd made one, else XDG's if its variable is set, else the system's for
root, else XDG's default.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

NAME = "serve-daemon"
SYSTEM_RUNTIME_DIRECTORY = Path("/run") / NAME
CONTROL_SOCKET = "control.sock"


class ForeignDirectory(Exception):  # noqa: N818 - it names what was found
    """Another user owns the directory, and could put anything into it."""


def runtime_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Sockets and locks; lost at a reboot."""
    chosen = _chosen(environment, "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR")
    return chosen or (SYSTEM_RUNTIME_DIRECTORY if _is_root() else _user_runtime_directory())


def state_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """What must survive a reboot."""
    chosen = _chosen(environment, "STATE_DIRECTORY", "XDG_STATE_HOME")
    return (
        chosen or (Path("/var/lib") if _is_root() else _home(environment) / ".local/state") / NAME
    )


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """What can be made again."""
    chosen = _chosen(environment, "CACHE_DIRECTORY", "XDG_CACHE_HOME")
    base = Path("/var/cache") if _is_root() else _home(environment) / ".cache"
    return chosen or base / NAME


def prepare(directory: Path) -> None:
    """Create the directory for its user and group alone, if it is not there.

    Raises `ForeignDirectory` if somebody else made it, and `OSError` if nobody can.
    """
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"can't make the directory {directory}: {error.strerror};"
            " see ENVIRONMENT in serve-daemon(8) for how to name another one"
        ) from error
    owner = directory.stat().st_uid
    if owner not in {0, os.geteuid()}:
        raise ForeignDirectory(
            f"{directory} belongs to uid {owner}, not to uid {os.geteuid()} who runs this:"
            " remove it or name another directory"
        )


def _chosen(environment: Mapping[str, str], systemd: str, xdg: str) -> Path | None:
    # systemd joins several directories of one unit with colons; the first is ours.
    if own := environment.get(systemd, "").split(":")[0]:
        return Path(own)
    # XDG's rule: a relative path is invalid and to be ignored.
    base = Path(environment.get(xdg, ""))
    return base / NAME if base.is_absolute() else None


def _user_runtime_directory() -> Path:
    login = Path(f"/run/user/{os.getuid()}")
    return login / NAME if login.is_dir() else Path(tempfile.gettempdir()) / f"{NAME}-{os.getuid()}"


def _home(environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME")
    return Path(home) if home else Path.home()


def _is_root() -> bool:
    return os.geteuid() == 0
