"""Whether a process that should answer still does."""

from pathlib import Path

from msgspec import Struct


class Signs(Struct, frozen=True):
    """What is known of a process that has said that it is ready, or that it is starting."""

    silent_seconds: float  # since its last message
    stalled_seconds: float = 0.0  # since its last finished step, while it has work


def hang(signs: Signs, hang_timeout_seconds: float) -> str:
    """Why the process counts as hung, or "" where it doesn't."""
    if signs.silent_seconds > hang_timeout_seconds:
        return f"no sign of life for {signs.silent_seconds:.0f} s"
    if signs.stalled_seconds > hang_timeout_seconds:
        return f"no step finished for {signs.stalled_seconds:.0f} s"
    return ""


def is_stopped(pid: int) -> bool:
    """Whether a signal (SIGSTOP, SIGTSTP) keeps the process from running, as proc(5) has it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[:1] == ["T"]
