"""Where the checkpoints of sources lie on this machine."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from serve_daemon.config.located import located

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of org/name in a cache of the Hub, without any revision yet."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "models--org--name"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    return folder


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("")
    return folder


def test_paths_are_where_they_are(tmp_path: Path) -> None:
    """A directory, a file, and what is not there."""
    write(tmp_path, "a.gguf")
    assert located(str(tmp_path)) == tmp_path
    assert located(str(tmp_path / "a.gguf")) == tmp_path / "a.gguf"
    assert located(str(tmp_path / "gone")) is None


def test_a_snapshot_of_the_hub(repository: Path) -> None:
    """Of the default branch, and by its commit."""
    snapshot = write(repository / "snapshots" / COMMIT, "config.json", "model.safetensors")
    assert located("org/name") == located(f"org/name@{COMMIT}") == snapshot
    assert located("org/name@other") is None
    assert located("org/other") is None


def test_half_a_snapshot_is_none(repository: Path) -> None:
    """A shard is missing: the engine would download it. A config is enough for dummy weights."""
    snapshot = write(repository / "snapshots" / COMMIT, "config.json", "a.safetensors")
    index = {"weight_map": {"one": "a.safetensors", "two": "b.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert located("org/name") is None
    assert located("org/name", with_weights=False) == snapshot
    write(snapshot, "b.safetensors")
    assert located("org/name") == snapshot


def test_files_of_a_repository(repository: Path) -> None:
    """The one that is named, else the one that would be chosen."""
    snapshot = write(repository / "snapshots" / COMMIT, "a-Q4_K_M.gguf", "a-Q8_0.gguf")
    assert located("org/name") == snapshot / "a-Q4_K_M.gguf"
    assert located("org/name:a-Q8_0.gguf") == snapshot / "a-Q8_0.gguf"
    assert located("org/name:b.gguf") is None


def test_files_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not imported; that of another interpreter is looked up in its environment."""
    ours = write(tmp_path / "ours" / "some_weights", "a.gguf")
    (ours / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(str(ours.parent))
    assert located("python:some_weights/a.gguf") == ours / "a.gguf"
    assert located("python:some_weights/b.gguf") is None
    assert located("python:other_weights/a.gguf") is None
    theirs = tmp_path / "theirs/lib/python3.12/site-packages/other_weights"
    write(theirs, "a.gguf")
    python = str(tmp_path / "theirs/bin/python")
    assert located("python:other_weights/a.gguf", python) == theirs / "a.gguf"
    assert located("python:some_weights/a.gguf", python) is None


def test_what_names_nothing_is_nowhere() -> None:
    """Those who check the file say what is wrong with it."""
    assert located("python:a.b/c") is None
