"""A server's turn: what becomes of one that dies or refuses, and the order of turns."""

import sys
from pathlib import Path

import pytest

import contestants
import turns
from contestants import Contestant, InProcess, Setup, daemon, daemons
from figures import Figure
from serve_daemon.config.load import Sources, load
from turns import Plan, order, take

PLAN = Plan((1,), 1, 1.0, 1, give_up_seconds=2.0, seed=0)


@pytest.fixture(autouse=True)
def _no_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WATCH_SECONDS", 0.01)


def contestant(*command: str) -> Contestant:
    def started(port: int) -> list[str]:
        return [sys.executable, *(each.replace("PORT", str(port)) for each in command)]

    return Contestant("tiny", started, "tiny", 1, "")


def test_a_server_that_dies_is_reported_at_once() -> None:
    """With its exit status, and without figures."""
    turn = take(contestant("-c", "raise SystemExit(3)"), PLAN)
    assert turn.failure == "ended with status 3 before its first answer"
    assert turn.measured == {}


def test_a_server_that_only_answers_errors_is_given_up() -> None:
    """It is not waited for without a bound."""
    turn = take(contestant("-m", "http.server", "PORT", "--bind", "127.0.0.1"), PLAN)
    assert turn.failure.startswith("no first answer within 2 s")


def in_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str) -> InProcess:
    program = tmp_path / "program.py"
    program.write_text(source)
    monkeypatch.setattr(contestants, "IN_PROCESS", program)
    return InProcess(
        "tiny in process", Setup("tiny", "tiny", {"gguf": "keep"}), "tiny", tmp_path, ""
    )


def test_an_engine_in_process_tells_its_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is a program of its own, asked for the same streams and prompts."""
    source = (
        "import sys; assert sys.argv[1:] == ['--engine', 'tiny', '--cache', %r, '--json',"
        " '--set', 'gguf=keep',"
        " '--streams', '1', '--seed', '0', '--requests', '1'], sys.argv;"
        ' print(\'[["1 stream: throughput", "tokens/s", true, 40.0]]\')'
    )
    turn = take(in_process(monkeypatch, tmp_path, source % str(tmp_path)), PLAN)
    assert turn.failure == ""
    assert turn.measured == {Figure("1 stream: throughput", "tokens/s", more_is_better=True): 40.0}


@pytest.mark.parametrize(
    ("source", "failure"),
    [
        ("raise SystemExit('no such engine')", "ended with status 1: no such engine"),
        ("print('hello')", "printed no figures"),
    ],
)
def test_an_engine_in_process_that_fails_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, failure: str
) -> None:
    """With its last words."""
    turn = take(in_process(monkeypatch, tmp_path, source), PLAN)
    assert turn.failure.startswith(failure)
    assert turn.measured == {}


def test_another_server_is_first_in_each_round() -> None:
    """And nobody is left out."""
    every = [contestant(name) for name in ("a", "b", "c")]
    assert {order(every, number)[0] is every[number % 3] for number in range(6)} == {True}
    assert all(set(map(id, order(every, number))) == set(map(id, every)) for number in range(6))


def test_the_daemon_is_started_with_a_good_file(tmp_path: Path) -> None:
    """Written for the port that it is to serve on."""
    daemon("continuous", tmp_path).command(8123)
    loaded = load(Sources(main=tmp_path / "serve.toml"))
    assert loaded.config.server.listen == ["127.0.0.1:8123"]
    assert [(each.engine, each.dtype) for each in loaded.models.values()] == [
        ("continuous", "bfloat16")
    ]


def test_each_setup_of_the_daemon_has_its_own_place_and_name(tmp_path: Path) -> None:
    """So that no cache of one is found by another."""
    ours = daemons([Setup("one", "compiled"), Setup("another one", "compiled")], tmp_path)
    assert [each.name for each in ours] == ["serve-daemon one", "serve-daemon another one"]
    assert len({each.cache for each in ours}) == 2
    assert all(each.cache is not None and each.cache.parent.is_dir() for each in ours)
