"""Where the daemon's directories are."""

import os
from pathlib import Path

import pytest

from serve_daemon.config.directories import (
    ForeignDirectory,
    cache_directory,
    prepare,
    runtime_directory,
    state_directory,
)

KINDS = [
    (runtime_directory, "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "/run/serve-daemon"),
    (state_directory, "STATE_DIRECTORY", "XDG_STATE_HOME", "/var/lib/serve-daemon"),
    (cache_directory, "CACHE_DIRECTORY", "XDG_CACHE_HOME", "/var/cache/serve-daemon"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("systemd", "xdg", "expected"),
    [
        ("/s/a", "/x", "/s/a"),
        ("/s/a:/s/b", "/x", "/s/a"),
        ("", "/x", "/x/serve-daemon"),
        (None, "/x", "/x/serve-daemon"),
        (None, "relative", None),
        (None, "", None),
        (None, None, None),
    ],
)
def test_systemd_comes_before_xdg_and_xdg_before_the_systems(
    kind: tuple[object, str, str, str],
    systemd: str | None,
    xdg: str | None,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty or relative value counts as none; root's default is the system's directory."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    directory, systemd_name, xdg_name, system = kind
    given = {systemd_name: systemd, xdg_name: xdg, "HOME": "/home/me"}
    environment = {name: value for name, value in given.items() if value is not None}
    assert callable(directory)
    assert directory(environment) == Path(expected or system)


def test_a_users_defaults_are_xdgs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root, state and cache are in the home directory."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    environment = {"HOME": "/home/me"}
    assert state_directory(environment) == Path("/home/me/.local/state/serve-daemon")
    assert cache_directory(environment) == Path("/home/me/.cache/serve-daemon")


def test_a_user_without_a_session_gets_a_runtime_directory_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two users never share one in the temporary directory."""
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    assert runtime_directory({}).name == "serve-daemon-4321"


def test_a_directory_is_made_closed_to_others(tmp_path: Path) -> None:
    """Nobody but user and group reaches a socket in it."""
    made = tmp_path / "a" / "b"
    prepare(made)
    assert made.stat().st_mode & 0o007 == 0
    prepare(made)


def test_a_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that somebody laid out in advance is not trusted."""
    mine = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    if mine == 0:
        os.chown(tmp_path, 7, 7)
    with pytest.raises(ForeignDirectory, match="belongs to uid"):
        prepare(tmp_path)


def test_a_directory_that_can_not_be_made_says_what_to_do(tmp_path: Path) -> None:
    """Not the number of an error."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"can.t make the directory .*/file: File exists; see") as why:
        prepare(tmp_path / "file")
    assert "Errno" not in str(why.value)
