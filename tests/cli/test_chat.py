"""servectl chat: on a terminal, and with one question out of a pipe."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from cli.documents import model
from cli.fake_api import FakeApi
from cli.fake_daemon import FakeDaemon
from cli.pseudo_terminal import Terminal, on_terminal
from serve_daemon.cli.chatting import Teller
from serve_daemon.cli.conversation import Conversation

Servectl = Callable[..., Result]
ASKED = {"type": "message", "role": "user", "content": "count"}
ANSWERED = {"type": "message", "role": "assistant", "content": "one two three"}


def asks(terminal: Terminal, text: str, until: str = "]") -> str:
    """Type a line, and wait for what is behind it and for the next prompt."""
    before = len(terminal.written)
    terminal.type(f"{text}\r")
    shown = terminal.until(until, before).partition(until)[0]
    terminal.until("> ", before + len(shown))
    return terminal.written[before:]


@pytest.fixture
def command(api: FakeApi, daemon: FakeDaemon) -> list[str]:
    return ["--socket", str(daemon.path), "chat", "smollm2"]


# ---------------------------------------------------------------- out of a pipe


def test_a_question_in_a_pipe_gets_the_answer_alone(servectl: Servectl, api: FakeApi) -> None:
    """No reasoning, no figures: it is for the next program."""
    api.thoughts = ["hm"]
    arguments = ["--system", "Be short.", "--temperature", "0", "--max-tokens", "9"]
    result = servectl("chat", "smollm2", *arguments, input="count\n")
    assert (result.exit_code, result.output) == (0, "one two three\n")
    (body,) = api.asked
    assert (body["model"], body["input"], body["stream"]) == ("smollm2", [ASKED], True)
    assert (body["instructions"], body["temperature"]) == ("Be short.", 0.0)
    assert (body["max_output_tokens"], "top_p" in body, body["store"]) == (9, False, False)


def test_an_answer_that_fails_is_status_1(servectl: Servectl, api: FakeApi) -> None:
    """What came is printed all the same."""
    api.fails_with = "the engine died"
    result = servectl("chat", "smollm2", input="count")
    assert (result.exit_code, result.stdout) == (1, "one two three")
    assert result.stderr.endswith("the engine died\n")


def test_nothing_to_ask_is_said(servectl: Servectl, api: FakeApi) -> None:
    """Nothing is sent."""
    result = servectl("chat", "smollm2", input=" \n")
    assert (result.exit_code, api.asked) == (1, [])
    assert "standard input is empty" in result.stderr


# ---------------------------------------------------------------- on a terminal


def test_what_was_said_is_kept(api: FakeApi, command: list[str]) -> None:
    """The answer, how fast it was; the next question comes with both."""
    api.thoughts = ["hm"]
    with on_terminal(*command) as terminal:
        terminal.until("> ")
        shown = asks(terminal, "count")
        assert click.style("hm", dim=True) in shown
        assert "one two three" in shown
        assert "[3 tokens, " in shown
        asks(terminal, "again")
        assert api.asked[1]["input"] == [ASKED, ANSWERED, ASKED | {"content": "again"}]
        terminal.type("\x04")
        assert terminal.exit_status() == 0
        assert terminal.is_as_before()


def test_messages_of_several_lines(api: FakeApi, command: list[str]) -> None:
    """A backslash at the end of a line, or quotes around all of them; and a slash to begin with."""
    with on_terminal(*command) as terminal:
        terminal.until("> ")
        terminal.type("one\\\r")
        terminal.until("… ")
        asks(terminal, "two")
        terminal.type('"""one\r')
        terminal.until("… ", terminal.written.rfind("> "))
        asks(terminal, '\ttwo\x16\t"""')
        asks(terminal, "//not a command")
        questions = [each["input"][-1]["content"] for each in api.asked]
        assert [questions[0], questions[2]] == ["one\ntwo", "/not a command"]
        assert questions[1].startswith("one\n")


def test_ctrl_c_stops_the_answer_and_not_the_chat(api: FakeApi, command: list[str]) -> None:
    """The daemon works no more on it; what came of it was said."""
    api.waits_from = 1
    with on_terminal(*command) as terminal:
        terminal.until("> ")
        terminal.type("count\r")
        terminal.until("three")
        before = len(terminal.written)
        terminal.type("\x03")
        assert "stopped]" in terminal.until("> ", before)
        assert api.was_left.wait(60)
        api.waits_from = 0
        asks(terminal, "again")
        assert api.asked[1]["input"][:2] == [ASKED, ANSWERED]
        before = len(terminal.written)
        terminal.type("never mind")
        terminal.until("never mind", before)
        terminal.until_idle()
        terminal.type("\x03")
        terminal.until("> ", len(terminal.written))
        terminal.type("/quit\r")
        assert terminal.exit_status() == 0
        assert len(api.asked) == 2


def test_commands(api: FakeApi, command: list[str], tmp_path: Path) -> None:
    """What was said is saved or forgotten; the model and what it is told first are changed."""
    file = tmp_path / "said.json"
    with on_terminal(*command) as terminal:
        terminal.until("> ")
        assert "/save FILE" in asks(terminal, "/help", until="begins with one slash")
        asks(terminal, "count")
        asks(terminal, f"/save {file}", until="it is in")
        asks(terminal, f"/save {file}", until="name another")
        asks(terminal, "/model nothing", until="there are: smollm2, other")
        asks(terminal, "/model other", until="other answers from now on")
        asks(terminal, "/system Be short.", until="told that first")
        asks(terminal, "/reset", until="nothing was said yet")
        asks(terminal, "/nonsense", until="no such command")
        asks(terminal, "count")
        last = api.asked[-1]
        assert (last["model"], last["instructions"]) == ("other", "Be short.")
        assert last["input"] == [ASKED]
    assert json.loads(file.read_text())["input"] == [ASKED, ANSWERED]


def test_a_refusal_does_not_end_the_chat(api: FakeApi, command: list[str]) -> None:
    """And is not remembered."""
    api.refuses = (503, "The model is asleep.")
    with on_terminal(*command) as terminal:
        terminal.until("> ")
        asks(terminal, "count", until="The model is asleep.")
        api.refuses = None
        asks(terminal, "count")
        assert api.asked[0]["input"] == [ASKED]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(command: list[str], number: signal.Signals) -> None:
    """The line editor had taken it."""
    with on_terminal(*command) as terminal:
        terminal.until("> ")
        terminal.until_idle()
        assert not terminal.is_as_before()
        terminal.process.send_signal(number)
        assert terminal.exit_status() == 128 + number
        assert terminal.is_as_before()


def test_a_model_that_has_to_start_says_so(
    api: FakeApi, daemon: FakeDaemon, command: list[str]
) -> None:
    """The first answer takes a while."""
    daemon.answers["Status"] = [api.status(model(state="asleep"))]
    with on_terminal(*command) as terminal:
        terminal.until("smollm2 is asleep, the first question starts it. /help")


# ---------------------------------------------------------------- without one


def test_nothing_of_an_answer_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Reasoning is apart from the answer."""
    teller = Teller()
    for text, is_reasoning in [("hm\x1b[2J", True), ("\n\none\x07\r\n", False), ("two\t3", False)]:
        teller.tell(text, is_reasoning)
    teller.end()
    assert capsys.readouterr().out == "hm[2J\n\none\ntwo\t3\n"


def test_a_saved_conversation_is_read_by_people(tmp_path: Path) -> None:
    """As Markdown, with who said what."""
    items: list[dict[str, Any]] = [ASKED, ANSWERED]
    Conversation("m", "Be short.", items=items).save(tmp_path / "said.md")
    assert (tmp_path / "said.md").read_text() == (
        "# m\n\n## system\n\nBe short.\n\n## user\n\ncount\n\n## assistant\n\none two three\n"
    )
