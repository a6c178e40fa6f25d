"""Checking a file without a daemon."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Servectl = Callable[..., Result]

CPU = {"name": "cpu", "kind": "CPU", "memory_bytes": 1, "dtypes": ["float32"]}
PROBE = {
    "versions": {},
    "devices": [CPU],
    "attn_implementations": ["sdpa"],
    "engines": ["continuous"],
    "quantization": [],
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for another machine, though nothing else is wrong with it."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    path = tmp_path / "serve.toml"
    path.write_text(
        f'[engine]\npython = "{tmp_path}/python"\n[models.m]\nsource = "/m"\ndtype = "float16"\n'
    )
    return path


def install_engine(directory: Path, script: str) -> None:
    python = directory / "python"
    python.write_text(f"#!/bin/sh\necho called >> {directory}/calls\n{script}\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)


def test_a_good_file_is_said_to_be_good(servectl: Servectl, file: Path) -> None:
    """With the models that it has."""
    result = servectl("check", "--no-probe", str(file))
    assert (result.exit_code, result.output) == (0, f"{file}: no problem found; models: m\n")


def test_a_bad_file_is_refused_with_every_problem(servectl: Servectl, file: Path) -> None:
    """The status is that of a refused configuration."""
    file.write_text("[server]\nlisten = 1\nspeed = 2\n")
    result = servectl("check", str(file))
    assert result.exit_code == 4
    assert f"{file}:2:10: server.listen: " in result.stderr
    assert f"{file}:3:1: server.speed: " in result.stderr
    assert "    speed = 2\n    ^\n" in result.stderr


def test_a_file_is_checked_against_this_machine(
    servectl: Servectl, file: Path, tmp_path: Path
) -> None:
    """The engine is asked what it can do, once."""
    install_engine(tmp_path, f"echo '{json.dumps(PROBE)}'")
    for _ in range(2):
        result = servectl("check", str(file))
        assert result.exit_code == 4
        assert 'models.m.dtype: "float16" does not work here' in result.stderr
    assert (tmp_path / "calls").read_text() == "called\n"


def test_what_may_fail_here_is_a_warning(servectl: Servectl, file: Path, tmp_path: Path) -> None:
    """On stderr, with its place; the file is good all the same."""
    install_engine(tmp_path, f"echo '{json.dumps(PROBE)}'")
    file.write_text(file.read_text().replace('dtype = "float16"', 'device = "cuda:7"'))
    result = servectl("check", str(file))
    assert result.exit_code == 0
    assert result.stdout == f"{file}: no problem found, warnings: 2; models: m\n"
    assert f"warning: {file}:4:10: models.m.source: source '/m' does not exist" in result.stderr
    assert f'warning: {file}:5:10: models.m.device: "cuda:7" is not present' in result.stderr


def test_the_machine_can_be_left_out(servectl: Servectl, file: Path, tmp_path: Path) -> None:
    """A file for another machine can be checked here."""
    install_engine(tmp_path, f"echo '{json.dumps(PROBE)}'")
    assert servectl("check", "--no-probe", str(file)).exit_code == 0
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'No module named torch' >&2; exit 1", "No module named torch"),
        ("exit 1", "returned non-zero exit status 1"),
        ("echo nonsense", "malformed"),
        (None, "No such file"),
    ],
)
def test_an_engine_that_can_not_be_asked_is_no_problem_of_the_file(
    servectl: Servectl, file: Path, tmp_path: Path, script: str | None, reason: str
) -> None:
    """The rest is checked, and it is said what was not."""
    if script is not None:
        install_engine(tmp_path, script)
    result = servectl("check", str(file))
    assert result.exit_code == 0
    assert "not checked against this machine" in result.stderr
    assert reason in result.stderr
