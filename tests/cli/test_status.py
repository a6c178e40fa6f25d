"""The state as people read it: a tree."""

import click
import pytest

from cli.documents import MEBIBYTE, NOW, Document, last_exit, model, replica, status, text
from serve_daemon.cli.status import overview, size, timespan

OVERVIEW = """\
● serve-daemon 0.1.0 - running, /etc/serve.toml (PID 1234, up 2h 5min, 43.0M, last reload applied)
● gateway - ready on 127.0.0.1:8000, unix:/run/api.sock (PID 1240, 4 open, 345 requests, 0 failed)

  MODEL               STATE     SINCE   PID  DEVICE           TOKENS/S  RUN  WAIT  MEMORY    PEAK
● smollm2             ready      3min        cpu/bfloat16         61.5    3     2  537.0M  600.0M
  └─ e1               ready      3min  1250  cpu                  61.5    3     1  537.0M  600.0M
● embedder            starting   3min        cpu/bfloat16         61.5    0     1       -  600.0M
  ├─ e1               starting   3min  1250  cpu                  61.5    0     0  537.0M  600.0M
  │   downloading org/name [█████···············] 25% of 8.0G
  └─ e2               starting   3min  1250  cpu                  61.5    0     0  537.0M  600.0M
      loading
↻ Qwen/Qwen3-8B-GGUF  backoff      3s        cuda:0/bfloat16      61.5    0     1       -  600.0M
    the engine was killed by SIGKILL; next try in 4s; 2 restarts
    last exit: e1 3min ago, crash: killed by SIGSEGV
○ old                 stopped   1d 1h        cpu/bfloat16         61.5    0     1       -  600.0M
{x} broken              failed     3min        cpu/bfloat16         61.5    0     1       -  600.0M
    source: no such file: /m""".replace("{x}", "\N{MULTIPLICATION SIGN}")


def test_an_overview_is_a_tree_of_models_and_engines() -> None:
    """The whole state at a glance; why something does not serve below it."""
    gone: Document = {"pid": None, "memory": 0, "replicas": []}
    arriving = {"progress": "downloading org/name", "progress_done": 2**31, "progress_total": 2**33}
    early = {"phase": "starting", "role": "successor", "running": 0, "waiting": 0}
    document = status(
        model(),
        model(
            "embedder",
            **gone
            | {
                "replicas": [
                    replica(**early, **arriving),
                    replica(id="e2", **early, progress="loading"),
                ]
            },
            state="starting",
        ),
        model(
            "Qwen/Qwen3-8B-GGUF",
            **gone,
            state="backoff",
            reason="the engine was killed by SIGKILL",
            retry_in=4.2,
            restarts=2,
            last_exit=last_exit(),
            since=NOW - 3,
            device="cuda:0",
        ),
        model(
            "old",
            **gone,
            state="stopped",
            since=NOW - 90_000,
            last_exit=last_exit(result="stopped"),
        ),
        model(
            "broken",
            **gone,
            state="failed",
            reason="source: no such file: /m",
            last_exit=last_exit(message="no such file: /m"),
        ),
    )
    assert text(overview(document, NOW, 100)) == OVERVIEW


def test_a_wide_terminal_has_what_an_engine_should_and_may_take() -> None:
    """Estimate and limit, beside what it takes."""
    shown = text(overview(status(model(estimate={"total": 900 * MEBIBYTE}, memory_max=2**30)), NOW))
    assert "MEMORY    PEAK  ESTIMATE   MAX\n" in shown
    assert "537.0M  600.0M    900.0M  1.0G\n" in shown


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_it_keeps_to_the_width_of_the_terminal(width: int) -> None:
    """Columns are left out, names cut, reasons wrapped; nothing breaks a line."""
    long = model("org/" + "x" * 90, state="failed", reason="reason " * 40 + "\nthe hint")
    document = status(long, model("other"))
    document["daemon"]["config"] = "/srv/" + "x" * 90
    document["gateway"]["listen"] = ["127.0.0.1:8000"] * 8
    lines = text(overview(document, NOW, width)).splitlines()
    assert max(map(len, lines)) <= width
    heads = next(line for line in lines if "MODEL" in line)
    assert [name in heads for name in ("STATE", "MEMORY")] == [True, True]
    assert ("PEAK" in heads) == (width >= 100)
    assert "ESTIMATE" not in heads  # nothing is in it
    assert "the hint" in text(overview(document, NOW))  # where no window has an end


def test_no_models_are_said_to_be_none() -> None:
    """An empty table would leave open whether something is missing; and what to do."""
    assert text(overview(status(), NOW)).endswith("No models are configured: servectl add SOURCE.")


def test_an_engine_that_takes_over_or_leaves_says_so() -> None:
    """There is another one that serves."""
    coming = replica(id="e2", phase="starting", role="successor", progress="loading")
    shown = text(overview(status(model(replicas=[replica(), coming])), NOW))
    assert shown.endswith("\n      takes over; loading")
    going = replica(id="e0", phase="draining", role="leaving")
    assert "\n  │   leaves\n" in text(overview(status(model(replicas=[going, replica()])), NOW))


def test_a_model_that_serves_uncompiled_says_so() -> None:
    """It is slower than it will be."""
    shown = text(overview(status(model(replicas=[replica(progress="compiling")])), NOW))
    assert shown.endswith("\n      compiling")


def test_the_gateways_reason_is_shown_while_it_is_not_ready() -> None:
    """A gateway in trouble says why."""
    document = status()
    document["gateway"] |= {"state": "backoff", "reason": "it crashed", "pid": None, "restarts": 2}
    document["gateway"]["listen"] = ["[::1]:80"]
    shown = text(overview(document, NOW))
    assert "↻ gateway - backoff on [::1]:80 (4 open" in shown
    assert "0 failed)\n    it crashed; 2 restarts\n" in shown


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
