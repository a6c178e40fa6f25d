"""One sequence as Transformers' manager sees it, handing out its newest token only."""

from dataclasses import dataclass, field

from transformers.generation.continuous_batching.requests import RequestState, RequestStatus

from serve_daemon.engine.grammar import Grammar
from serve_daemon.engine.records import Record, record_of
from serve_daemon.engine.sampling import Draw
from serve_daemon.wire.messages import Finish, Output, Submit
from serve_daemon.wire.sampling import NO_LOGPROBS, Logprobs, Sampling


@dataclass
class SequenceState(RequestState):  # type: ignore[misc]
    """A request state that knows whose it is and how it samples.

    The base class copies all tokens generated so far at each token; this one hands out the last.
    """

    owner: int = 0
    sequence: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    record: Record | None = None
    newest_logprobs: Logprobs | None = None  # of the last token, if asked for
    cached_tokens: int = 0
    is_first_output: bool = True

    @property
    def needs_last_token(self) -> bool:
        """Whether the next token can't be drawn, or not be told of, before the last is known."""
        return self.record is not None or self.sampling.logprobs != NO_LOGPROBS

    def drop(self) -> None:
        """Hear no more of it: a step that is being computed may still have a token for it."""
        self._status = RequestStatus.FINISHED

    def next_draw(self) -> Draw:
        """How the token after all that is processed now is drawn."""
        return Draw(self.sampling, self.position_offset, self._complete_record())

    def to_generation_output(self) -> "SequenceState":
        """What the manager passes on to the router: the state itself, which is read at once."""
        return self

    def to_output(self) -> Output:
        """What the step that has just ended did for this sequence."""
        if self.status == RequestStatus.FAILED:
            return Output(
                self.sequence, [], Finish.ERROR, self.error or "the engine gave no reason"
            )
        record = self._complete_record()
        if record is not None and record.error:
            return Output(self.sequence, [], Finish.ERROR, record.error)
        finish = self._finish() if self.status == RequestStatus.FINISHED else None
        cached_tokens = self.cached_tokens if self.is_first_output else 0
        self.is_first_output = False
        logprobs = [] if self.newest_logprobs is None else [self.newest_logprobs]
        tokens = self.generated_tokens[-1:]
        return Output(self.sequence, tokens, finish, "", cached_tokens, logprobs)

    def create_equivalent_initial_request(self) -> "SequenceState":
        """The same sequence to be computed anew, where its cache was taken from it."""
        plain = super().create_equivalent_initial_request()
        return SequenceState(
            request_id=plain.request_id,
            initial_tokens=plain.initial_tokens,
            streaming=True,
            max_new_tokens=plain.max_new_tokens,
            eos_token_id=plain.eos_token_id,
            owner=self.owner,
            sequence=self.sequence,
            sampling=self.sampling,
            record=self._complete_record(),
            is_first_output=self.is_first_output,
        )

    def _complete_record(self) -> Record | None:
        """The record with all that is generated; one is made for a sequence, not for a state."""
        if self.record is not None:
            known = self.record.length - len(self.initial_tokens)
            self.record.add_output(self.generated_tokens[known:])
        return self.record

    def _finish(self) -> Finish:
        return Finish.STOP if self.generated_tokens[-1] in self._eos_token_ids else Finish.LENGTH


def name(owner: int, sequence: int) -> str:
    """The manager's name for a sequence."""
    return f"{owner}:{sequence}"


def state_of(
    owner: int, submit: Submit, max_new_tokens: int, grammar: Grammar | None = None
) -> SequenceState:
    return SequenceState(
        request_id=name(owner, submit.sequence),
        initial_tokens=submit.tokens,
        streaming=True,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(submit.stop_tokens),
        owner=owner,
        sequence=submit.sequence,
        sampling=submit.sampling,
        record=record_of(submit, grammar),
    )
