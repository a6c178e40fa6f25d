"""Keys of the configuration read and changed, against a daemon's answers and without one."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cli.documents import Document, change, status
from cli.fake_daemon import FakeDaemon
from serve_daemon.cli.connection import EXIT_FAILED, EXIT_REFUSED, EXIT_UNREACHABLE
from serve_daemon.control.protocol import CONFIG_REFUSED, ControlError

Servectl = Callable[..., Result]

TEXT = """\
[log]
# The least severe records.
#level = "info"

[models.m]
source = "a/b"  # ours
max_requests = 8
"""
EFFECTIVE = {
    "control": {"watch": False},
    "log": {"level": "info"},
    "models": {"m": {"max_requests": 8, "aliases": ["x"], "preload": True}},
}


@pytest.fixture
def file(tmp_path: Path, daemon: FakeDaemon) -> Path:
    """The file of a daemon that likes all that is tried."""
    main = tmp_path / "serve.toml"
    main.write_text(TEXT)
    document = status()
    document["daemon"]["config"] = str(main)
    done: Document = {"changes": [change("daemon", "update", outcome="done", keys=["log.level"])]}
    daemon.answers |= {
        "Status": [document],
        "Plan": [{"changes": [change("daemon", "update")]}],
        "Reload": [done],
        "GetConfig": [{"config": EFFECTIVE}],
        "GetOrigins": [{"origins": {"log.level": f"{main}:3:1"}}],
    }
    return main


def asked(daemon: FakeDaemon) -> list[str]:
    return [method for method, _ in daemon.calls]


def test_a_key_is_set_and_carried_out(servectl: Servectl, daemon: FakeDaemon, file: Path) -> None:
    """In the place where a comment shows it; mode stays."""
    file.chmod(0o640)
    result = servectl("config", "set", "log.level", "debug")
    assert result.exit_code == 0, result.output
    assert "done" in result.output
    assert file.read_text() == TEXT.replace('#level = "info"', 'level = "debug"')
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert ("Plan", {"text": file.read_text(), "file": str(file)}) in daemon.calls
    assert daemon.calls[-1] == ("Reload", {"wait": True})


@pytest.mark.parametrize(
    ("value", "written"),
    [("16", "16"), ("many", '"many"')],
)
def test_a_value_has_the_type_of_its_key(
    servectl: Servectl, file: Path, value: str, written: str
) -> None:
    """What can't have it, is for the daemon to refuse."""
    assert servectl("config", "set", "models.m.max_requests", value).exit_code == 0
    assert f"\nmax_requests = {written}\n" in file.read_text()


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("server.listen", "[::]:1,127.0.0.1:2", 'listen = ["[::]:1", "127.0.0.1:2"]'),
        ("server.max_body_size", "2MiB", 'max_body_size = "2MiB"'),
        ("engine.memory_limit", "1024", "memory_limit = 1024"),
        ("control.watch", "no", "watch = false"),
        ("models.m.source", "'c/d'", 'source = "c/d"  # ours'),
        ("models.m.use_cuda_graph", "true", "use_cuda_graph = true"),
        ('models."a.b".source', "org/a", '[models."a.b"]'),
        ("profiles.p.dtype", "float32", "[profiles.p]"),
    ],
)
def test_values_as_one_types_them(
    servectl: Servectl, file: Path, key: str, value: str, line: str
) -> None:
    """Lists, sizes as they are best read, switches, texts with quotes and without."""
    assert servectl("config", "set", key, value).exit_code == 0
    assert line in file.read_text().splitlines()


def test_what_is_refused_is_not_written(servectl: Servectl, daemon: FakeDaemon, file: Path) -> None:
    """The problem has the position that it would have."""
    problem = {"file": str(file), "line": 3, "column": 9, "message": "no", "text": "level = 'x'"}
    daemon.answers["Plan"] = ControlError(CONFIG_REFUSED, {"problems": [problem]})
    result = servectl("config", "set", "log.level", "x")
    assert result.exit_code == EXIT_REFUSED
    assert f"{file}:3:9" in result.output
    assert file.read_text() == TEXT
    assert "Reload" not in asked(daemon)


def test_a_place_that_wins_is_named(servectl: Servectl, daemon: FakeDaemon, file: Path) -> None:
    """The key is written all the same: the other place may go."""
    variable = "environment variable SERVE_LOG__LEVEL"
    daemon.answers["GetOrigins"] = [{"origins": {"log.level": variable}}]
    result = servectl("config", "set", "log.level", "debug")
    assert f"log.level is set by {variable} as well, which wins" in result.output
    as_json = servectl("config", "set", "log.level", "error", "--json")
    assert json.loads(as_json.stdout)["overridden_by"] == variable
    assert 'level = "error"' in file.read_text()


def test_a_drop_in_is_made(servectl: Servectl, daemon: FakeDaemon, file: Path) -> None:
    """The main file stays as it is."""
    drop_in = file.with_name("serve.toml.d") / "local.toml"
    daemon.answers["GetOrigins"] = [{"origins": {"log.level": f"{drop_in}:2:1"}}]
    result = servectl("config", "set", "--drop-in", "local", "log.level", "debug")
    assert (result.exit_code, "wins" in result.output) == (0, False)
    assert drop_in.read_text() == '[log]\nlevel = "debug"\n'
    assert file.read_text() == TEXT
    assert servectl("config", "set", "--drop-in", "../x", "log.level", "debug").exit_code == 2


def test_nothing_is_written_to_see_what_would_change(
    servectl: Servectl, daemon: FakeDaemon, file: Path
) -> None:
    """Nor where the file says so already."""
    result = servectl("config", "set", "--dry-run", "log.level", "debug")
    assert "update" in result.output
    assert "says so already" in servectl("config", "set", "models.m.max_requests", "8").output
    assert file.read_text() == TEXT
    assert "Reload" not in asked(daemon)


def test_without_a_reload_it_is_said_what_is_left(
    servectl: Servectl, daemon: FakeDaemon, file: Path
) -> None:
    """A daemon that watches its files does it by itself."""
    left = servectl("config", "set", "--no-reload", "log.level", "debug")
    assert "servectl reload" in left.output
    daemon.answers["GetConfig"] = [{"config": EFFECTIVE | {"control": {"watch": True}}}]
    assert "by itself" in servectl("config", "set", "--no-reload", "log.level", "error").output
    assert 'level = "error"' in file.read_text()
    assert "Reload" not in asked(daemon)


def test_a_key_is_unset(servectl: Servectl, daemon: FakeDaemon, file: Path) -> None:
    """One that the file does not set is somebody else's, who is named."""
    assert servectl("config", "set", "log.level", "debug").exit_code == 0
    assert servectl("config", "unset", "log.level").exit_code == 0
    assert file.read_text() == TEXT
    assert servectl("config", "unset", "models.m").exit_code == 0
    assert "[models.m]" not in file.read_text()
    absent = servectl("config", "unset", "log.level")
    assert absent.exit_code == EXIT_FAILED
    assert f"{file}:3:1 does" in absent.output


@pytest.mark.parametrize("key", ["server", "models.m", "a b", "log."])
def test_what_is_no_key_can_not_be_set(servectl: Servectl, file: Path, key: str) -> None:
    """A table is none, either."""
    assert servectl("config", "set", key, "1").exit_code == 2
    assert file.read_text() == TEXT


def test_a_model_is_not_made_by_a_mistyped_name(servectl: Servectl, file: Path) -> None:
    """Only by a source."""
    result = servectl("config", "set", "models.n.max_requests", "1")
    assert (result.exit_code, "there are: m" in result.output) == (EXIT_FAILED, True)
    assert file.read_text() == TEXT


def test_a_file_is_changed_without_a_daemon(servectl: Servectl, tmp_path: Path) -> None:
    """It is checked here; without a file there is nothing to change."""
    file = tmp_path / "own.toml"
    file.write_text(TEXT)
    given = ("--file", str(file))
    assert servectl("config", "set", *given, "log.level", "debug").exit_code == 0
    assert 'level = "debug"' in file.read_text()
    refused = servectl("config", "set", *given, "log.level", "loud")
    assert refused.exit_code == EXIT_REFUSED
    assert f"{file}:3:9: log.level" in refused.output
    assert servectl("config", "set", *given, "log.levl", "info").exit_code == EXIT_REFUSED
    assert 'level = "debug"' in file.read_text()
    assert servectl("config", "get", *given, "log.level").output == "debug\n"
    assert servectl("config", "set", "log.level", "info").exit_code == EXIT_UNREACHABLE


@pytest.mark.parametrize(
    ("key", "printed"),
    [
        ("log.level", "info\n"),
        ("models.m.aliases", '["x"]\n'),
        ("models.m.preload", "true\n"),
        ("log", '[log]\nlevel = "info"\n\n'),
    ],
)
def test_get_prints_what_holds(servectl: Servectl, file: Path, key: str, printed: str) -> None:
    """A text is bare, for scripts; a table is TOML."""
    assert servectl("config", "get", key).output == printed


def test_get_tells_where_it_is_set(servectl: Servectl, file: Path) -> None:
    """As a comment, or in the document."""
    told = servectl("config", "get", "log.level", "--origin")
    assert told.output == f'log.level = "info"  # {file}:3:1\n'
    document = json.loads(servectl("config", "get", "log.level", "--origin", "--json").output)
    assert document == {"value": "info", "origin": f"{file}:3:1"}
    shown = servectl("config", "show", "--origin").output
    assert "max_requests = 8  # default" in shown.splitlines()
    assert json.loads(servectl("config", "show", "--json").output) == EFFECTIVE


def test_a_key_that_is_not_there_is_guessed(servectl: Servectl, file: Path) -> None:
    """With status 1."""
    result = servectl("config", "get", "log.levl")
    assert result.exit_code == EXIT_FAILED
    assert "did you mean log.level?" in result.output
