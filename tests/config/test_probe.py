"""Keeping what engines found out about this machine."""

import os
from pathlib import Path

import pytest

from serve_daemon.config.load import Sources, load
from serve_daemon.config.probe import Device, Probe, cached, key, probe_file, store
from serve_daemon.config.problems import ConfigError

PROBE = Probe(
    versions={"torch": "2.13.0"},
    devices=[Device("cpu", "Some CPU", 8 << 30, ["float32"])],
    attn_implementations=["sdpa"],
    engines=["continuous"],
    quantization=["bnb-4bit"],
)


@pytest.fixture
def python(tmp_path: Path) -> str:
    """An interpreter of a virtual environment, which is never run."""
    prefix = tmp_path / "venv"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib/python3.12/site-packages").mkdir(parents=True)
    (prefix / "pyvenv.cfg").write_text("")
    return str(prefix / "bin" / "python")


@pytest.mark.parametrize("own", [True, False])
def test_what_was_stored_is_found_again(tmp_path: Path, python: str, own: bool) -> None:
    """For our own interpreter and for another one, in a directory that was not there."""
    interpreter = "" if own else python
    directory = str(tmp_path / "cache")
    assert cached(directory, interpreter) is None
    store(directory, interpreter, PROBE)
    assert cached(directory, interpreter) == PROBE
    assert [file.name for file in Path(directory).iterdir()] == [f"probe-{key(interpreter)}.json"]


def test_another_interpreter_knows_nothing(tmp_path: Path, python: str) -> None:
    """What one environment can do says nothing of another."""
    store(str(tmp_path), "", PROBE)
    assert cached(str(tmp_path), python) is None


def test_an_interpreter_is_known_by_any_of_its_names(tmp_path: Path, python: str) -> None:
    """python3 beside python is a link to it."""
    Path(python).touch()
    Path(f"{python}3").symlink_to(python)
    store(str(tmp_path), python, PROBE)
    assert cached(str(tmp_path), f"{python}3") == PROBE


def test_an_environment_is_known_by_links_to_it(tmp_path: Path, python: str) -> None:
    """The daemon follows them before it starts an engine, and servectl check does not."""
    link = tmp_path / "current"
    link.symlink_to(Path(python).parent.parent)
    store(str(tmp_path), python, PROBE)
    assert cached(str(tmp_path), f"{link}/bin/python") == PROBE


@pytest.mark.parametrize("changed", ["lib/python3.12/site-packages", "pyvenv.cfg"])
def test_a_changed_environment_knows_nothing(tmp_path: Path, python: str, changed: str) -> None:
    """A package that came or went changes its directory; a new environment its configuration."""
    store(str(tmp_path), python, PROBE)
    os.utime(Path(python).parent.parent / changed, (1, 1))
    assert cached(str(tmp_path), python) is None


def test_hidden_devices_make_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that inherits the variable sees other devices."""
    store(str(tmp_path), "", PROBE)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert cached(str(tmp_path), "") is None


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"versions": 1}', b"\xff"])
def test_a_file_that_nobody_can_use_is_none(tmp_path: Path, content: bytes) -> None:
    """Half a file, or one of another version, is asked for again."""
    probe_file(str(tmp_path), "").write_bytes(content)
    assert cached(str(tmp_path), "") is None


def test_loading_judges_by_what_the_cache_knows(tmp_path: Path) -> None:
    """The interpreter that [engine] names decides whose result counts."""
    text = "models.a.dtype = 'bfloat16'"
    sources = Sources(text=text, cache_directory=str(tmp_path))
    load(sources)
    store(str(tmp_path), "", PROBE)
    with pytest.raises(ConfigError, match=r'models\.a\.dtype: "bfloat16" does not work here'):
        load(sources)
    load(Sources(text=f"{text}\nengine.python = '/x'", cache_directory=str(tmp_path)))
