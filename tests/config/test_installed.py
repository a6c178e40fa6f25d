"""What tells an upgraded package from the one before."""

import shutil
from pathlib import Path

import pytest

from serve_daemon.config import installed


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, as if it were the one that is installed."""
    copy = tmp_path / "serve_daemon"
    shutil.copytree(installed.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(installed, "PACKAGE", copy)
    return copy


def test_the_same_code_is_the_same_wherever_it_lies(package: Path) -> None:
    """Also when the interpreter has left its own files there, and times differ."""
    before = installed.digest()
    (package / "gateway" / "__pycache__").mkdir()
    (package / "gateway" / "__pycache__" / "app.cpython-311.pyc").touch()
    (package / "gateway" / "app.py").touch()
    assert installed.digest() == before


@pytest.mark.parametrize("name", ["__init__.py", "gateway/app.py", "wire/framing.py", "new.py"])
def test_other_code_is_told(package: Path, name: str) -> None:
    """The version, a module that gateways import, one more of them, one less."""
    before = installed.digest()
    with (package / name).open("a") as module:
        module.write("# changed\n")
    changed = installed.digest()
    (package / name).unlink()
    assert len({before, changed, installed.digest()}) == (2 if name == "new.py" else 3)


@pytest.mark.parametrize("name", ["engine/server.py", "supervisor/daemon.py", "cli/daemon.py"])
def test_code_that_no_gateway_runs_does_not_count(package: Path, name: str) -> None:
    """It takes a new engine, or a new daemon."""
    before = installed.digest()
    (package / name).write_text("")
    assert installed.digest() == before
