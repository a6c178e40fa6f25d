"""How long clients wait: which silence counts, and a whole run with a tiny model."""

import subprocess
import sys
from pathlib import Path

import pytest

import recovery_time
from recovery import Running, silence_end
from recovery_time import row
from shapes import write

SERVING = {"role": "serving", "running": 0}


def test_the_silence_counts_and_not_what_was_on_its_way() -> None:
    """A token that the dead engine had sent may arrive after the signal."""
    assert silence_end([1.0, 2.0, 3.0, 3.1, 9.0, 10.0, 11.5], at=3.05) == 9.0


def test_a_stream_that_was_not_held_up_goes_on_at_its_usual_pace() -> None:
    """Also the gap that the signal fell into is one of them."""
    assert silence_end([1.0, 2.0, 4.5, 5.0], at=3.0) == 4.5


@pytest.mark.parametrize(
    ("replicas", "is_at_rest"),
    [
        ([SERVING, SERVING], True),
        ([SERVING], False),
        ([SERVING, SERVING | {"running": 1}], False),
        ([SERVING, {"role": "successor", "running": 0}], False),
        ([SERVING, SERVING, {"role": "leaving", "running": 0}], False),
    ],
)
def test_a_round_begins_at_rest(replicas: list[dict[str, object]], is_at_rest: bool) -> None:
    """Every replica serves, idle, and nothing else runs."""
    assert Running(Path(), 1, 2, 1.0).is_at_rest({"replicas": replicas}) is is_at_rest


def test_a_row_tells_the_median_and_the_worst() -> None:
    """Of all streams in all rounds."""
    rounds = [[0.1, 0.2], [0.9, 0.3]]
    assert row("ours", "it", (2, 4), rounds) == "| ours | it | 2 | 4 | 2 | 0.25 | 0.90 |"


@pytest.mark.long
def test_a_whole_run_tells_all_three(tmp_path: Path) -> None:
    """Of the daemon, over HTTP, with a model that is made on the spot."""
    model = ["--source", str(write("tiny", tmp_path)), "--more", ', load_format = "dummy"']
    ran = subprocess.run(
        [
            *(sys.executable, recovery_time.__file__),
            *("--engines", "continuous", "--rounds", "1", "--streams", "2"),
            *("--signals", "kill -9", "--cache", str(tmp_path / "cache")),
            *model,
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    rows = [line.strip("| ").split(" | ") for line in ran.stdout.splitlines()]
    assert [(each[1], each[2]) for each in rows] == [
        ("kill -9 to the next token", "1"),
        ("kill -9 to the next token", "2"),
        ("an edit to traffic on the new engine", "1"),
    ]
    assert all(float(each[5]) > 0 for each in rows)
