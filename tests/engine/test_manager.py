"""The seams of Transformers' manager that the engine relies on."""

import pytest

pytest.importorskip("torch")

from transformers.generation.continuous_batching.requests import RequestStatus

from serve_daemon.engine.continuous.manager import PatientEvent
from serve_daemon.engine.continuous.scheduler import Scheduler
from serve_daemon.engine.continuous.sequences import SequenceState, state_of
from serve_daemon.wire.messages import Finish, Output, Submit
from serve_daemon.wire.sampling import Sampling


class NoCache:
    """As much of a cache as cancelling takes."""

    def __init__(self) -> None:
        self.freed: list[str] = []

    def free_blocks(self, request_id: str) -> None:
        self.freed.append(request_id)


def state(**changes: object) -> SequenceState:
    submit = Submit(4, "r", [1, 2, 3], 10, [7], Sampling(seed=5))
    made = state_of(2, submit, 10)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_a_cancelled_sequence_lets_others_in() -> None:
    """After a shortage new ones wait for one to finish: where none is left, they would for ever."""
    dropped: list[SequenceState] = []
    cache = NoCache()
    scheduler = Scheduler(cache, None, 8)
    scheduler.on_dropped = dropped.extend
    waiting = state()
    scheduler.add_waiting_request(waiting)
    scheduler.block_new_requests = True
    scheduler.set_request_cancellation("2:4")
    assert scheduler.clear_cancelled_requests() == dropped == [waiting]
    assert waiting.status == RequestStatus.FINISHED
    assert not scheduler.block_new_requests
    assert not scheduler.has_pending_requests()
    assert cache.freed == ["2:4"]


@pytest.mark.parametrize(
    ("tokens", "status", "output"),
    [
        ([5], RequestStatus.DECODING, Output(4, [5])),
        ([5, 6], RequestStatus.DECODING, Output(4, [6])),
        ([5, 7], RequestStatus.FINISHED, Output(4, [7], Finish.STOP)),
        ([5, 6], RequestStatus.FINISHED, Output(4, [6], Finish.LENGTH)),
    ],
)
def test_the_output_of_a_step(tokens: list[int], status: int, output: Output) -> None:
    """The newest token, and why it is the last if it is."""
    assert state(generated_tokens=tokens, _status=status).to_output() == output


def test_a_failed_sequence_says_why() -> None:
    """And hands out no token."""
    failed = state(generated_tokens=[5], _status=RequestStatus.FAILED, error="no luck")
    assert failed.to_output() == Output(4, [], Finish.ERROR, "no luck")


def test_cached_tokens_are_told_once() -> None:
    """With the first output, also where the sequence is set back later."""
    sequence = state(generated_tokens=[5], cached_tokens=2)
    assert sequence.to_output().cached_tokens == 2
    assert sequence.to_output().cached_tokens == 0
    set_back = sequence.create_equivalent_initial_request()
    set_back.generated_tokens.append(6)
    set_back.cached_tokens = 3
    assert set_back.to_output() == Output(4, [6])


def test_a_sequence_that_is_set_back_keeps_what_is_its_own() -> None:
    """Its owner, its sampling, its stop tokens, and what is left of its length."""
    sequence = state(generated_tokens=[5, 6])
    set_back = sequence.create_equivalent_initial_request()
    assert set_back.initial_tokens == [1, 2, 3, 5, 6]
    assert set_back.max_new_tokens == 8
    assert (set_back.owner, set_back.sequence, set_back.sampling.seed) == (2, 4, 5)
    assert set_back._eos_token_ids == {7}
    assert set_back.request_id == sequence.request_id == "2:4"


def test_a_sequence_that_is_set_back_keeps_its_record() -> None:
    """Prompt stays prompt and output stays output, each token counted once, however often."""
    submit = Submit(4, "r", [1, 2, 3, 9], 10, [7], Sampling(presence_penalty=1.0), num_output=1)
    sequence = state_of(2, submit, 10)
    sequence.generated_tokens += [5, 2]
    set_back = sequence.create_equivalent_initial_request()
    assert counts_of(set_back) == {1: 0, 2: 1, 3: 0, 9: 1, 5: 1}
    set_back.generated_tokens.append(5)
    assert counts_of(set_back) == {1: 0, 2: 1, 3: 0, 9: 1, 5: 2}
    again = set_back.create_equivalent_initial_request()
    again.generated_tokens += [6]
    assert counts_of(again) == counts_of(again) == {1: 0, 2: 1, 3: 0, 9: 1, 5: 2, 6: 1}


def test_a_plain_sequence_has_no_record() -> None:
    """It costs nothing."""
    assert state(generated_tokens=[5, 6]).next_draw().record is None


def counts_of(sequence: SequenceState) -> dict[int, int]:
    record = sequence.next_draw().record
    assert record is not None
    tokens, counts = record.counted
    return dict(zip(tokens.tolist(), counts.tolist(), strict=True))


def test_draws_count_from_the_beginning_of_the_sequence() -> None:
    """A position is the number of tokens before the one that is drawn."""
    assert state(position_offset=3).next_draw().position == 3


def test_a_patient_event_has_no_timeout() -> None:
    """It waits to be set, which this one is."""
    event = PatientEvent(before_waiting=lambda: False)
    event.set()
    assert event.wait(timeout=0)


def test_a_patient_event_does_first_what_is_left_to_do() -> None:
    """Then there may be more of it, so there is no waiting: this one is never set."""
    assert PatientEvent(before_waiting=lambda: True).wait(timeout=0)
