"""The benchmark for GPUs: its whole path, on the CPU, with a model that is made on the spot."""

import subprocess
import sys
from pathlib import Path

import pytest

import gpu
import gpu_case
from gpu import Row, row_text
from gpu_case import Case, Outcome, outcome_of
from gpu_servers import PEER
from serve_daemon.wire.messages import EngineSpec

SMALL = ["--shape", "tiny", "--device", "cpu", "--context", "64", "--steps", "8"]
SMALL += ["--answer", "400"]  # long enough for streams to meet that do not begin together


def run(*only: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, gpu.__file__, *SMALL, "--streams", "1", "2", "--only", *only],
        capture_output=True,
        check=True,
        text=True,
    )
    return ran.stdout[ran.stdout.index("Written by") :].splitlines()


def test_the_whole_path_runs_without_a_gpu() -> None:
    """An engine in process, the same over HTTP, and what only has to answer."""
    text = run("continuous", "serve-daemon continuous", "continuous, sdpa")
    rows = [line.strip("| ").split(" | ") for line in text if line.startswith("| tiny")]
    assert [(who, streams) for _, who, streams, *_ in rows] == [
        ("continuous", "1"),
        ("continuous", "2"),
        ("serve-daemon continuous", "1"),
        ("serve-daemon continuous", "2"),
    ]
    assert all(float(cells[3]) > 0 and cells[5].endswith("%") for cells in rows)
    assert text[-1].startswith("| continuous, sdpa | tiny | answers, ")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_compiled_engine_runs_too() -> None:
    """Once its step has been built."""
    text = run("compiled", "serve-daemon compiled")
    rows = [line.strip("| ").split(" | ") for line in text if line.startswith("| tiny")]
    assert [float(cells[3]) > 0 for cells in rows] == [True] * 4


def test_what_fails_is_told_in_its_row(tmp_path: Path) -> None:
    """By the engine's own words; the others go on."""
    spec = EngineSpec("tiny", str(tmp_path / "nowhere"), load_format="dummy", device="cpu")
    outcome = outcome_of(Case(spec, str(tmp_path), 1, 64, 8))
    assert "nowhere" in outcome.failure
    assert outcome.failure in row_text(Row("tiny", "continuous", 1, outcome), [])


def test_a_process_that_dies_is_told_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As when a device is out of memory in a way that nobody catches."""
    program = tmp_path / "program.py"
    program.write_text("raise SystemExit('no memory')")
    monkeypatch.setattr(gpu_case, "__file__", str(program))
    outcome = outcome_of(Case(EngineSpec("tiny", "x"), "", 1, 64, 8))
    assert outcome.failure == "ended with status 1: no memory"


def test_a_row_tells_the_limit_and_the_peer() -> None:
    """Both of the same shape and number of streams."""
    engine = Row("8B", "compiled", 2, Outcome(200.0, 0.005, 0.001))
    peer = Row("8B", PEER, 2, Outcome(50.0))
    other = Row("1B", PEER, 2, Outcome(500.0))
    assert row_text(engine, [engine, peer, other]) == (
        "| 8B | compiled | 2 | 200.0 | 10.00 | 50.0% | 1.00 | 4.00 |"
    )
    assert row_text(peer, [engine, peer, other]) == (
        f"| 8B | {PEER} | 2 | 50.0 | 40.00 | 12.5% | - | 1.00 |"
    )
