"""What the end of a process is taken for."""

import signal

import pytest

from serve_daemon.supervisor.exits import (
    Exit,
    Explanation,
    LastExit,
    Result,
    Verdict,
    explain,
    signal_name,
)
from serve_daemon.wire.messages import Failing, Reason

SOURCE = Failing(Reason.SOURCE, "no such file")
HUNG = Verdict(Result.HANG, "no step finished")


@pytest.mark.parametrize(
    ("ended", "result", "message"),
    [
        (Exit(0), Result.EXITED, "exited with status 0"),
        (Exit(3), Result.EXIT_CODE, "exited with status 3"),
        (Exit(-signal.SIGSEGV), Result.CRASH, "killed by SIGSEGV"),
        (Exit(-signal.SIGABRT), Result.CRASH, "killed by SIGABRT"),
        (Exit(-signal.SIGKILL), Result.SIGNAL, "killed by SIGKILL"),
        (Exit(-signal.SIGTERM), Result.SIGNAL, "killed by SIGTERM"),
        (Exit(-40), Result.SIGNAL, "killed by signal 40"),
        (Exit(1, SOURCE), Result.SOURCE, "no such file"),
        (Exit(-9, SOURCE, is_oom_kill=True), Result.SOURCE, "no such file"),
        (Exit(-9, SOURCE, HUNG), Result.HANG, "no step finished"),
        (Exit(-9, verdict=HUNG, is_oom_kill=True), Result.HANG, "no step finished"),
        (Exit(None, verdict=Verdict(Result.SPAWN, "no python")), Result.SPAWN, "no python"),
        (Exit(0, was_draining=True), Result.STOPPED, "exited with status 0"),
        (Exit(3, was_draining=True), Result.EXIT_CODE, "exited with status 3"),
        (Exit(-11, was_draining=True), Result.CRASH, "killed by SIGSEGV"),
        (Exit(-11, was_terminated=True), Result.STOPPED, "killed by SIGSEGV"),
        (Exit(-9, SOURCE, was_terminated=True), Result.STOPPED, "killed by SIGKILL"),
    ],
)
def test_the_surest_knowledge_comes_first(ended: Exit, result: Result, message: str) -> None:
    """What the supervisor wanted or did, then what the process said, then how it ended."""
    assert explain(ended) == Explanation(result, message)


@pytest.mark.parametrize("reason", Reason)
def test_the_last_words_of_a_process_are_a_class_of_their_own(reason: Reason) -> None:
    """Which is said before them."""
    explanation = explain(Exit(1, Failing(reason, "as told")))
    assert explanation == Explanation(Result(reason), "as told")
    assert explanation.reason == f"{reason}: as told"


def test_an_exit_over_one_request_names_it() -> None:
    """And how it ended, once that is found out."""
    last = LastExit("e1", 5.0, Exit(-signal.SIGABRT))
    assert last.over("req-7") == LastExit("e1", 5.0, Exit(-signal.SIGABRT, poison="req-7"))
    assert explain(last.over("req-7").ended) == Explanation(
        Result.POISON, "request req-7, which has failed alone: killed by SIGABRT"
    )


def test_the_kernels_kill_says_what_to_do() -> None:
    """A bare SIGKILL would leave people guessing."""
    explanation = explain(Exit(-signal.SIGKILL, is_oom_kill=True))
    assert explanation.result is Result.MEMORY
    assert explanation.reason.startswith("oom: killed by the kernel; lower max_requests")


def test_who_took_more_than_its_memory_max_is_told_so() -> None:
    """The limit, by the key that sets it."""
    explanation = explain(Exit(-signal.SIGKILL, is_oom_kill=True, memory_max=128 << 20))
    assert explanation.result is Result.MEMORY
    assert explanation.reason.startswith("oom: it took more than its memory_max of 128.0MiB; raise")


NEITHER, PERMANENT, OWN_MAKING = (False, False), (True, False), (False, True)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result.CONFIG, PERMANENT),
        (Result.SOURCE, PERMANENT),
        (Result.MEMORY, OWN_MAKING),
        (Result.DEVICE, NEITHER),  # no request takes a device from the bus
        (Result.INTERNAL, OWN_MAKING),
        (Result.CRASH, OWN_MAKING),
        (Result.POISON, OWN_MAKING),
        (Result.EXIT_CODE, OWN_MAKING),
        (Result.HANG, OWN_MAKING),
        (Result.SUSPENDED, NEITHER),
        (Result.TIMEOUT, OWN_MAKING),
        (Result.ROOM, PERMANENT),
        (Result.SPAWN, OWN_MAKING),
        (Result.SIGNAL, NEITHER),
        (Result.EXITED, NEITHER),
        (Result.STOPPED, NEITHER),
    ],
)
def test_a_class_says_who_must_act_and_who_may_be_to_blame(
    result: Result, expected: tuple[bool, bool]
) -> None:
    """A permanent one is not tried again; one of its own making makes its requests suspects."""
    explanation = Explanation(result, "")
    assert (explanation.is_permanent, explanation.is_own_making) == expected


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Result.HANG, "hang: why"),
        (Result.SUSPENDED, "suspended: why"),
        (Result.ROOM, "no-room: why"),
        (Result.CRASH, "why"),
        (Result.TIMEOUT, "why"),
        (Result.STOPPED, "why"),
    ],
)
def test_a_reason_has_its_class_where_the_message_does_not_say_it(
    result: Result, reason: str
) -> None:
    """For people, in one line."""
    assert Explanation(result, "why").reason == reason


@pytest.mark.parametrize(
    ("returncode", "name"),
    [(None, None), (0, None), (3, None), (-9, "SIGKILL"), (-40, "signal 40")],
)
def test_a_signal_has_its_name(returncode: int | None, name: str | None) -> None:
    """A status has none."""
    assert signal_name(returncode) == name
