"""A long prompt among streams: which gaps count, and a whole run with a tiny model."""

import subprocess
import sys
from pathlib import Path

import pytest

import long_prompt
from figures import Reply
from long_prompt import Delay, delay_of, row
from processes import ServerError
from shapes import write

PROMPT = Reply(10.0, (14.0,), 14.0, 2000, 1)


def stream(*texts: float) -> Reply:
    return Reply(0.0, texts, texts[-1], 10, len(texts))


def test_the_usual_gap_is_that_before_the_prompt() -> None:
    """And the longest one counts from the text before the prompt came, to that after its end."""
    found = delay_of(stream(1.0, 2.0, 3.0, 4.0, 9.0, 12.0, 13.5, 15.5, 40.0), PROMPT)
    assert found == Delay(1.0, 3.0)
    assert found.in_usual_gaps == 3.0


@pytest.mark.parametrize("texts", [(11.0, 12.0, 15.0), (1.0, 2.0, 12.0)])
def test_a_stream_that_was_not_there_all_the_time_tells_nothing(texts: tuple[float, ...]) -> None:
    """Too few tokens were asked of it."""
    with pytest.raises(ServerError, match="ask more"):
        delay_of(stream(*texts), PROMPT)


def test_a_row_tells_the_worst_stream() -> None:
    """Since none may wait for long."""
    delays = [Delay(0.1, 0.2), Delay(0.1, 0.35)]
    assert row("ours", 2, delays, PROMPT) == "| ours | 2 | 100.0 | 350.0 | 3.50 | 2000 | 4.00 |"


def test_a_whole_run_tells_a_delay(tmp_path: Path) -> None:
    """Of the daemon, over HTTP, with a model that is made on the spot."""
    model = ["--source", str(write("tiny", tmp_path)), "--more", ', load_format = "dummy"']
    load = ["--streams", "2", "--tokens", "400", "--before", "4", "--prompt-tokens", "300"]
    ran = subprocess.run(
        [
            *(sys.executable, long_prompt.__file__),
            *("--engines", "continuous", "--rounds", "1"),
            *(*model, *load),
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    cells = ran.stdout.strip().splitlines()[-1].strip("| ").split(" | ")
    assert cells[:2] == ["serve-daemon continuous", "1"]
    assert float(cells[4]) > 0
