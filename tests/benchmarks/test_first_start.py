"""The first start of a daemon: when its package counts as built."""

import subprocess
import sys
from pathlib import Path

import pytest

from first_start import has_package, wait_for_package, wait_until_kept
from processes import ServerError


def process(source: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE)


def test_the_engines_word_is_enough(tmp_path: Path) -> None:
    """Wherever it keeps its package."""
    log = tmp_path / "log"
    log.write_text('{"event": "compiling the step, serving uncompiled meanwhile"}\n')
    assert not has_package(log, tmp_path)
    log.write_text('{"event": "compiled step in use"}\n')
    assert has_package(log, None)


def test_a_package_in_the_cache_counts_once_it_is_whole(tmp_path: Path) -> None:
    """Its builder writes it under another name first."""
    log = tmp_path / "log"
    log.touch()
    (tmp_path / "compiled").mkdir()
    partial = tmp_path / "compiled" / "llama-1.partial.pt2"
    partial.touch()
    assert not has_package(log, tmp_path)
    partial.rename(tmp_path / "compiled" / "llama-1.pt2")
    assert has_package(log, tmp_path)


def test_a_package_is_waited_for() -> None:
    """Until it is there."""
    asked = iter([False, True])
    with process("input()") as running:
        wait_for_package(running, lambda: next(asked), 60.0)
        running.communicate(b"\n")
    assert next(asked, None) is None


def test_no_package_in_time_is_a_failure() -> None:
    """The rounds would measure something else."""
    with process("input()") as running:
        with pytest.raises(ServerError, match="no package within 0 s"):
            wait_for_package(running, lambda: False, 0.0)
        running.communicate(b"\n")


def test_a_server_that_ends_is_not_waited_for() -> None:
    """Its package will not come."""
    with process("raise SystemExit(3)") as running:
        running.wait()
        with pytest.raises(ServerError, match="status 3"):
            wait_for_package(running, lambda: False, 60.0)


@pytest.mark.parametrize(
    "said", ["the next start does without the model", "the next start has to load the model again"]
)
def test_what_is_kept_for_later_starts_is_waited_for(tmp_path: Path, said: str) -> None:
    """Else the rounds would load the model, as no later start does."""
    log = tmp_path / "log"
    writing = f"import time; time.sleep(0.3); print({said!r}, flush=True); input()"
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-c", writing], stdin=subprocess.PIPE, stdout=file
        ) as running,
    ):
        wait_until_kept(running, log, 60.0)
        assert said in log.read_text()
        running.communicate(b"\n")


def test_a_model_that_is_not_kept_is_not_waited_for_without_end(tmp_path: Path) -> None:
    """The engine says nothing of it."""
    log = tmp_path / "log"
    log.touch()
    with process("input()") as running:
        wait_until_kept(running, log, 0.0)
        assert running.poll() is None
        running.communicate(b"\n")
