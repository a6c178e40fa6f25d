"""The state as people read it: a table."""

import click
import pytest

from cli.documents import NOW, model, replica, status, text
from serve_daemon.cli.status import WIDTH, overview, size, timespan

OVERVIEW = """\
● serve-daemon 0.1.0 - running, /etc/serve.toml (PID 1234, up 2h 5min, 43.0M, last reload applied)
● gateway - ready on 127.0.0.1:8000, unix:/run/api.sock (PID 1240, 4 open, 345 requests, 0 failed)

  MODEL               STATE     SINCE   PID  ENGINE      DEVICE           RUN  WAIT  MEMORY
● smollm2             ready      3min  1250  continuous  cpu/bfloat16       3     1  537.0M
● embedder            starting   3min     -  continuous  cpu/bfloat16       0     0       -
    loading 45 %
↻ Qwen/Qwen3-8B-GGUF  backoff      3s     -  continuous  cuda:0/bfloat16    0     0       -
    the engine was killed by SIGKILL; next try in 4s
○ old                 stopped   1d 1h     -  continuous  cpu/bfloat16       0     0       -
{cross} broken              failed     3min     -  continuous  cpu/bfloat16       0     0       -
    no such file: /m""".replace("{cross}", "\N{MULTIPLICATION SIGN}")


def test_an_overview_is_daemon_gateway_and_a_row_for_each_model() -> None:
    """The whole state at a glance."""
    document = status(
        model(),
        model(
            "embedder",
            state="starting",
            pid=None,
            memory=0,
            replicas=[replica(phase="starting", running=0, waiting=0, progress="loading 45 %")],
        ),
        model(
            "Qwen/Qwen3-8B-GGUF",
            state="backoff",
            reason="the engine was killed by SIGKILL",
            retry_in=4.2,
            pid=None,
            memory=0,
            since=NOW - 3,
            device="cuda:0",
            replicas=[],
        ),
        model("old", state="stopped", pid=None, memory=0, since=NOW - 90_000, replicas=[]),
        model("broken", state="failed", reason="no such file: /m", pid=None, replicas=[], memory=0),
    )
    assert text(overview(document, NOW)) == OVERVIEW


def test_a_long_name_or_reason_is_cut_to_the_width() -> None:
    """A table does not wrap."""
    long = model("org/" + "x" * 90, state="failed", reason="r" * 200 + "\nsecond line")
    document = status(long)
    document["daemon"]["config"] = "/srv/" + "x" * 90
    document["gateway"]["listen"] = ["127.0.0.1:8000"] * 8
    lines = text(overview(document, NOW)).splitlines()
    assert [len(line) for line in lines if line] == [WIDTH] * 5
    assert "second line" not in "".join(lines)


def test_no_models_are_said_to_be_none() -> None:
    """An empty table would leave open whether something is missing."""
    assert text(overview(status(), NOW)).endswith("No models are configured.")


def test_a_model_that_is_replaced_says_so() -> None:
    """The row is that of the engine that serves; the one that loads is mentioned."""
    coming = replica(id="e2", phase="starting", role="successor", progress="loading")
    shown = text(overview(status(model(replicas=[replica(), coming])), NOW))
    assert "a new engine takes over loading" in shown


def test_a_model_that_serves_uncompiled_says_so() -> None:
    """Once, however many of its engines compile; it is slower than it will be."""
    shown = text(overview(status(model(replicas=[replica(progress="compiling")] * 2)), NOW))
    assert shown.endswith("537.0M\n    compiling")


def test_the_gateways_reason_is_shown_while_it_is_not_ready() -> None:
    """A gateway in trouble says why."""
    document = status()
    document["gateway"] |= {"state": "backoff", "reason": "it crashed", "pid": None, "restarts": 2}
    document["gateway"]["listen"] = ["[::1]:80"]
    shown = text(overview(document, NOW))
    assert "↻ gateway - backoff on [::1]:80 (4 open" in shown
    assert "2 restarts)\n    it crashed\n" in shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0s"),
        (0.4, "0s"),
        (59.9, "59s"),
        (60, "1min"),
        (3599, "59min"),
        (3600, "1h 0min"),
        (86399, "23h 59min"),
        (86400, "1d 0h"),
    ],
)
def test_a_timespan_has_its_two_largest_units(seconds: float, shown: str) -> None:
    """Long enough ago, seconds do not matter."""
    assert timespan(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.0K"), (1.5 * 1024**3, "1.5G"), (2 * 1024**4, "2.0T")],
)
def test_a_size_has_the_largest_unit(count: float, shown: str) -> None:
    """Memory is read in the unit that fits it."""
    assert size(count) == shown


@pytest.mark.parametrize(
    ("state", "colour"), [("ready", "green"), ("backoff", "yellow"), ("failed", "red")]
)
def test_a_state_has_its_colour(state: str, colour: str) -> None:
    """Trouble is seen before it is read."""
    lines = list(overview(status(model(state=state)), NOW))
    assert any(line.startswith(click.style("", fg=colour, reset=False)) for line in lines[4:])
