"""The archive of a bug report: what it tells, and what it never does."""

import json
import platform
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cli.documents import model, status
from cli.fake_daemon import FakeDaemon
from serve_daemon.cli import redaction
from serve_daemon.cli.connection import EXIT_FAILED

Servectl = Callable[..., Result]

HASH = "sha256:" + "ab" * 32
TOKEN = "hf" + "_abcdefghijklmnop"
SECRETS = (HASH[7:], TOKEN, "hunter2", "tell me about my divorce", "203.0.113.9", "s3cr3t")

FILE = f"""\
# token = "s3cr3t"
[keys.ann]
hash = "{HASH}"

[models.m]
source = "https://user:hunter2@hub.example/m?token={TOKEN}"
max_batch_tokens = 512
"""
RECORD = {
    "event": "prompt",
    "level": "info",
    "prompt": "tell me about my divorce",
    "client": "203.0.113.9",
    "request_id": "r1",
}


@pytest.fixture
def secretive(daemon: FakeDaemon, tmp_path: Path) -> FakeDaemon:
    """A daemon all of whose answers hold something that nobody else is to see."""
    main = tmp_path / "serve.toml"
    main.write_text(FILE)
    document = status(model("m", source=f"https://user:hunter2@x/{TOKEN}", log=[RECORD]))
    document["daemon"]["config"] = str(main)
    failed = {"number": 1, "time": 0.0, "kind": "reload", "model": "", "old": "", "new": ""}
    daemon.answers |= {
        "Status": [document],
        "GetConfig": [
            {
                "config": {
                    "engine": {"python": ""},
                    "keys": {"ann": {"hash": HASH}},
                    "models": {"m": {"source": "https://user:hunter2@x/"}},
                }
            }
        ],
        "GetOrigins": [{"origins": {"keys.ann.hash": f"{main}:3:1"}}],
        "History": [{"entries": [], "current": 0}],
        "Events": [{"event": failed | {"message": f"Authorization: Bearer {TOKEN}"}}],
        "Logs": [{"record": RECORD}],
    }
    return daemon


def contents(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        found = {}
        for entry in archive.getmembers():
            opened = archive.extractfile(entry)
            assert opened is not None
            found[entry.name.partition("/")[2]] = opened.read().decode()
    return found


def test_it_tells_a_lot_and_no_secret(
    servectl: Servectl, secretive: FakeDaemon, tmp_path: Path
) -> None:
    """Whatever answer or file held one."""
    file = tmp_path / "report.tar.gz"
    result = servectl("bug-report", "-o", str(file))
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = contents(file)
    everything = "\n".join(found.values())
    assert [secret for secret in SECRETS if secret in everything] == []
    assert platform.node() not in found["versions.json"]
    assert "max_batch_tokens = 512" in found["files.toml"]
    assert "https://<redacted>@hub.example" in found["files.toml"]
    assert json.loads(found["logs.jsonl"])["request_id"] == "r1"
    assert json.loads(found["hardware.json"])["cores"] > 0
    assert "tomlkit==" in found["packages-daemon.txt"]
    assert f"process {status()['daemon']['pid']}" in found["limits.txt"]
    listed = {line.split()[0] for line in result.output.splitlines() if line.startswith("  ")}
    assert listed == set(found) - {"README"}


def test_a_file_is_never_overwritten(servectl: Servectl, tmp_path: Path) -> None:
    """Nor does a folder that is missing leave anything."""
    file = tmp_path / "report.tar.gz"
    file.write_text("mine")
    refused = servectl("bug-report", "-o", str(file))
    assert (refused.exit_code, "is there already" in refused.output) == (EXIT_FAILED, True)
    assert file.read_text() == "mine"
    assert servectl("bug-report", "-o", str(tmp_path / "no" / "x")).exit_code == EXIT_FAILED


def test_without_a_daemon_it_has_the_rest(servectl: Servectl, tmp_path: Path) -> None:
    """And says that none answers."""
    file = tmp_path / "report.tar.gz"
    result = servectl("bug-report", "--json", "-o", str(file))
    names = {each["name"] for each in json.loads(result.stdout)["contents"]}
    assert {"versions.json", "hardware.json", "packages-daemon.txt"} <= names
    assert "status.json" not in names
    assert "no daemon answers" in contents(file)["versions.json"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://u:p@h/x", "https://<redacted>@h/x"),
        ("https://h/x?a=1&token=abc&b=2", "https://h/x?a=1&token=<redacted>&b=2"),
        (f'hash = "{HASH}"', 'hash = "sha256:<redacted>"'),
        ("password = 'x y'", "password = <redacted>"),
        ("max_batch_tokens = 5", "max_batch_tokens = 5"),
        ("mail me@example.org", "mail me@example.org"),
        ("org/name@main:file.gguf", "org/name@main:file.gguf"),
        ("-----BEGIN X-----\nab\n-----END X-----\nrest", "<redacted>\nrest"),
    ],
)
def test_what_is_taken_out_of_a_text(before: str, after: str) -> None:
    """And what only looks like it is left."""
    assert redaction.text(before) == after
