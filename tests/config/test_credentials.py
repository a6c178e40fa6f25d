"""Files of secrets: where they are looked for, and which of them are taken."""

import os
from pathlib import Path

import pytest

from serve_daemon.config.credentials import OutOfSight, Unusable, read_credential


def secret(directory: Path, name: str = "key", mode: int = 0o640) -> Path:
    path = directory / name
    path.write_text("content")
    path.chmod(mode)
    return path


def test_a_path_is_read_wherever_it_is(tmp_path: Path) -> None:
    """Whether there are credentials or not."""
    assert read_credential(str(secret(tmp_path)), "") == b"content"


def test_a_name_is_looked_for_among_the_credentials(tmp_path: Path) -> None:
    """In the directory that systemd has made."""
    secret(tmp_path)
    assert read_credential("key", str(tmp_path)) == b"content"


def test_without_credentials_a_name_can_not_be_judged() -> None:
    """The unit may have them; whoever asks is told how."""
    with pytest.raises(OutOfSight, match=r"LoadCredential=key:/PATH"):
        read_credential("key", "")


def test_what_everyone_may_read_is_no_secret(tmp_path: Path) -> None:
    """It is refused, with the command that mends it; a certificate is none."""
    path = secret(tmp_path, mode=0o644)
    with pytest.raises(Unusable, match=rf"may be read by everyone, forbid it: chmod o= {path}"):
        read_credential(str(path), "")
    assert read_credential(str(path), "", is_secret=False) == b"content"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "there is no file"),
        ("directory", "is no file"),
        ("pipe", "is no file"),
        ("huge", "is larger than"),
    ],
)
def test_what_is_no_file_of_a_secret_is_refused(tmp_path: Path, kind: str, message: str) -> None:
    """None of it holds the daemon up."""
    path = tmp_path / "key"
    match kind:
        case "directory":
            path.mkdir(mode=0o700)
        case "pipe":
            os.mkfifo(path, 0o600)
        case "huge":
            path.touch(0o600)
            path.write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(Unusable, match=message):
        read_credential(str(path), "")
