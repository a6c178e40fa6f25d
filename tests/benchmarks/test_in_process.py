"""An engine without HTTP: the closed loop of the servers, asked of it directly."""

import subprocess
import sys
from pathlib import Path

import pytest

import in_process
from engine_here import ClosedLoop, Here, Listener
from figures import Reply
from processes import ServerError
from serve_daemon.wire.messages import Finish, Output, Submit
from shapes import write


class Echo:
    """An engine that computes at once, in the submitting thread: two tokens for each sequence."""

    def __init__(self, listener: Listener, finish: Finish = Finish.LENGTH) -> None:
        self.asked: list[list[int]] = []
        self._listener = listener
        self._finish = finish

    def submit(self, owner: int, sequence: Submit) -> None:
        self.asked.append(sequence.tokens)
        first, last = Output(sequence.sequence, [7]), Output(sequence.sequence, [8], self._finish)
        self._listener.step({owner: [first]})
        self._listener.step({owner: [last]})


def loop(engine: Echo, listener: Listener) -> ClosedLoop:
    return ClosedLoop(Here(engine, None, listener), 2)  # type: ignore[arg-type]


def test_a_stream_asks_when_it_has_its_answer() -> None:
    """And each token has its time."""
    listener = Listener()
    engine = Echo(listener)
    replies: list[Reply] = loop(engine, listener).run([[[1], [2]], [[3, 4]]])
    assert engine.asked == [[1], [3, 4], [2]]
    assert [(each.prompt_tokens, each.completion_tokens) for each in replies] == [
        *((1, 2), (2, 2), (1, 2))
    ]
    assert all(each.started_seconds <= each.texts_seconds[0] for each in replies)


def test_a_sequence_that_fails_ends_the_loop() -> None:
    """Its figures would be wrong."""
    listener = Listener()
    with pytest.raises(ServerError, match="a sequence failed"):
        loop(Echo(listener, Finish.ERROR), listener).run([[[1]]])


def test_an_engine_that_ends_is_not_waited_for() -> None:
    """Nothing will come of its sequences."""
    listener = Listener()
    listener.fatal(RuntimeError("no memory"))
    with pytest.raises(ServerError, match="the engine ended: no memory"):
        loop(Echo(listener), listener).run([[[1]]])


def test_a_whole_run_prints_the_figures_of_the_servers(tmp_path: Path) -> None:
    """Of a model that is made on the spot, by the program as it is run beside them."""
    asked = ["--engine", "continuous", "--streams", "1", "3", "--json", "--load-format", "dummy"]
    where = ["--source", str(write("tiny", tmp_path)), "--cache", str(tmp_path / "cache")]
    where += ["--set", "attn_implementation=sdpa"]
    ran = subprocess.run(
        [sys.executable, in_process.__file__, *asked, *where], capture_output=True, check=True
    )
    found = {figure.name: value for figure, value in in_process.measured_from(ran.stdout).items()}
    assert found["1 stream: throughput"] > 0
    assert found["3 streams: throughput"] > 0
    assert found["long prompts: length"] > 500
