"""Whether a process still answers and works."""

import os
import signal
import subprocess

import pytest

from serve_daemon.supervisor.liveness import Signs, hang, is_stopped


@pytest.mark.parametrize(
    ("silent", "stalled", "verdict"),
    [
        (0.0, 0.0, ""),
        (10.0, 10.0, ""),
        (10.5, 0.0, "no sign of life for 10 s"),
        (0.0, 11.0, "no step finished for 11 s"),
        (12.0, 11.0, "no sign of life for 12 s"),
    ],
)
def test_hang(silent: float, stalled: float, verdict: str) -> None:
    """Silence or standing still for longer than the timeout is a hang; up to it is not."""
    assert hang(Signs(silent, stalled), 10.0) == verdict


def test_a_process_that_a_signal_stopped_is_told_from_others() -> None:
    """As the kernel says; one that is gone is not stopped."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        assert not is_stopped(process.pid)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert is_stopped(process.pid)
        process.kill()
    assert not is_stopped(process.pid)
