"""The words for the end of a process."""

import signal

import pytest

from serve_daemon.supervisor.exits import Exit, Explanation, explain
from serve_daemon.wire.messages import Failing, Reason

SOURCE = Failing(Reason.SOURCE, "no such file")
LOST = Failing(Reason.DEVICE, "cuda:0 is lost")


@pytest.mark.parametrize(
    ("ended", "message", "is_permanent", "is_own_making"),
    [
        (Exit(0), "exited with status 0", False, False),
        (Exit(3), "exited with status 3", False, True),
        (Exit(-signal.SIGSEGV), "killed by SIGSEGV", False, True),
        (Exit(-signal.SIGKILL), "killed by SIGKILL", False, False),
        (Exit(-signal.SIGTERM), "killed by SIGTERM", False, False),
        (Exit(-40), "killed by signal 40", False, False),
        (Exit(1, SOURCE), "source: no such file", True, False),
        (Exit(1, Failing(Reason.CONFIG, "no")), "config: no", True, False),
        (Exit(1, LOST), "device: cuda:0 is lost", False, True),
        (Exit(-9, LOST), "device: cuda:0 is lost", False, True),
        (Exit(-9, verdict="hung"), "hung", False, True),
        (Exit(-9, SOURCE, "hung"), "hung", False, True),
        (Exit(-9, verdict="hung", was_made_to=True), "hung", False, False),
        (Exit(3, was_made_to=True), "exited with status 3", False, False),
    ],
)
def test_the_surest_knowledge_comes_first(
    ended: Exit,
    message: str,
    is_permanent: bool,
    is_own_making: bool,
) -> None:
    """What the supervisor did, then what the process said, then how it ended."""
    assert explain(ended) == Explanation(message, is_permanent, is_own_making)


def test_the_kernels_kill_says_what_to_do() -> None:
    """A bare SIGKILL would leave people guessing."""
    explanation = explain(Exit(-signal.SIGKILL, out_of_memory=True))
    assert explanation.message.startswith("out-of-memory: ")
    assert "lower max_requests or kv_cache_memory" in explanation.message
    assert not explanation.is_permanent
    assert explanation.is_own_making
