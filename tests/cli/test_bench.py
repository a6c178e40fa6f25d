"""servectl bench: what it asks for, what it makes of the answers, and how it ends."""

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from cli.documents import model
from cli.fake_api import FakeApi
from cli.fake_daemon import FakeDaemon
from cli.pseudo_terminal import SERVECTL, on_terminal
from serve_daemon.cli.measuring import Run, Timing, percentile

Servectl = Callable[..., Result]


def test_a_run_for_each_number_of_streams(servectl: Servectl, api: FakeApi) -> None:
    """All answers of one length, no two prompts alike, and one before that wakes the model."""
    result = servectl("bench", "smollm2", "--streams", "1,3", "--rounds", "2", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    counts = [(each["streams"], each["requests"], each["failed"]) for each in told["runs"]]
    assert counts == [(1, 2, 0), (3, 6, 0)]
    assert [each["output_tokens"] for each in told["runs"]] == [6, 18]
    assert told["max_requests"] == 32
    first, *measured = api.asked
    assert first["max_output_tokens"] == 8
    assert {each["max_output_tokens"] for each in measured} == {128}
    assert all(each["ignore_eos"] and not each["store"] for each in measured)
    assert len({each["input"] for each in measured}) == 8
    assert {len(each["input"].split()) for each in measured} == {61}  # 7 + 2 * 61: nearly 128


def test_figures_are_a_table_and_a_plot(servectl: Servectl, api: FakeApi) -> None:
    """And what is to be known of them."""
    lines = servectl("bench", "smollm2", "--streams", "1,40").output.splitlines()
    assert lines[0].split()[:2] == ["STREAMS", "TOKENS/S"]
    assert [line.split()[0] for line in lines[1:3]] == ["1", "40"]
    assert lines[4] == "tokens/s by streams"
    assert lines[5].startswith(" 1 █")
    assert max(line.count("█") for line in lines[5:7]) == 40
    assert lines[8] == "smollm2: prompts of 20 tokens, answers of 128"
    assert lines[9] == "more than 32 requests don't run at once (max_requests): the others wait"


def test_the_key_is_shown_to_the_api(
    servectl: Servectl, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named, or from the environment."""
    servectl("bench", "smollm2", "--streams", "1", "--key", "sk-named")
    monkeypatch.setenv("SERVECTL_API_KEY", "sk-environment")
    servectl("bench", "smollm2", "--streams", "1")
    assert api.keys == {"Bearer sk-named", "Bearer sk-environment"}


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((401, "Incorrect key."), "Incorrect key. (name a key with --key, or in SERVECTL_API_KEY)"),
        ((400, "It makes vectors."), "It makes vectors."),
    ],
)
def test_a_refusal_says_what_to_do(
    servectl: Servectl, api: FakeApi, refusal: tuple[int, str], told: str
) -> None:
    """Status 1, and the API's words."""
    api.refuses = refusal
    result = servectl("bench", "smollm2")
    assert (result.exit_code, result.output) == (1, f"{told}\n")


@pytest.mark.parametrize("does", ["fails", "breaks off"])
def test_an_answer_that_fails_is_counted_and_told(
    servectl: Servectl, api: FakeApi, does: str
) -> None:
    """Nothing is measured of it."""
    api.fails_with = "the engine died" if does == "fails" else ""
    api.breaks_off = does == "breaks off"
    result = servectl("bench", "smollm2")
    assert result.exit_code == 1
    expected = "the engine died" if does == "fails" else "the answer broke off before its end"
    assert result.output == f"{expected}\n"


def test_ctrl_c_cancels_and_shows_what_was_measured(api: FakeApi, daemon: FakeDaemon) -> None:
    """Nothing goes on in the daemon; the status says that it was interrupted."""
    api.waits_from = 4  # with the second run: one wakes the model, two are the first run
    command = ["--socket", str(daemon.path), "bench", "smollm2", "--new-tokens", "6"]
    with on_terminal(*command, "--streams", "2,8") as terminal:
        terminal.until("50%  8 streams")
        terminal.type("\x03")
        assert terminal.exit_status() == 130
        assert api.was_left.wait(60)
        table = click.unstyle(terminal.written.partition("STREAMS")[2])
        assert [line.split()[0] for line in table.splitlines()[1:2]] == ["2"]
        assert "interrupted: what was open is cancelled" in table
        assert terminal.is_as_before()


def test_who_is_interrupted_at_once_leaves_no_request(api: FakeApi, daemon: FakeDaemon) -> None:
    """In a pipe too; nothing was measured, so nothing is shown."""
    api.waits_from = 1
    command = [SERVECTL, "--socket", str(daemon.path), "bench", "smollm2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
        assert api.was_asked.wait(60)
        bench.send_signal(signal.SIGINT)
        output, errors = bench.communicate()
    assert (bench.returncode, output, errors) == (
        130,
        b"",
        b"interrupted: what was open is cancelled\n",
    )
    assert api.was_left.wait(60)


@pytest.mark.parametrize("streams", ["0", "a", "", "1,2000", "1.5"])
def test_streams_are_numbers(servectl: Servectl, streams: str) -> None:
    """Wrong usage, with an example."""
    result = servectl("bench", "smollm2", "--streams", streams)
    assert result.exit_code == 2
    assert "write numbers up to 1024, like 1,4,16" in result.stderr


def test_an_api_elsewhere_needs_no_control_socket(servectl: Servectl) -> None:
    """Nothing answers there, which is said."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = servectl("bench", "smollm2", "--url", url)
    assert (result.exit_code, result.output) == (1, f"{url}: Connection refused\n")
    wrong = servectl("bench", "smollm2", "--url", "ftp://h")
    assert (wrong.exit_code, "write it like http://127.0.0.1:8000" in wrong.output) == (2, True)


def test_without_an_open_address_it_says_so(
    servectl: Servectl, daemon: FakeDaemon, tmp_path: Path
) -> None:
    """A socket that lets nobody in is no address."""
    api = FakeApi(tmp_path / "closed.sock")
    api.server_close()
    document = api.status(model())
    document["gateway"]["listen"].pop(0)
    daemon.answers["Status"] = [document]
    result = servectl("bench", "smollm2")
    assert (result.exit_code, "name one with --url" in result.output) == (1, True)


def test_figures_are_those_of_the_requests() -> None:
    """Throughput over the whole run; delays over all requests."""
    run = Run(2, [Timing(0.0, (1.0, 2.0, 4.0), 4.0, 9, 3), Timing(1.0, (2.0,), 5.0, 11, 2)])
    figures = run.figures()
    assert figures["tokens_per_second"] == 1.0
    assert (figures["input_tokens"], figures["seconds"]) == (20, 5.0)
    assert (figures["ttft_p50"], figures["inter_token_p50"]) == (1.0, 1.5)
    empty = Run(2).figures()
    assert [empty[name] for name in ("tokens_per_second", "ttft_p99", "seconds")] == [None] * 3
    assert percentile([1.0, 2.0, 3.0], 0.75) == 2.5
