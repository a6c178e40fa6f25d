"""Which sequences are in the next batch of Transformers' manager, and how much of their prompts."""

from collections.abc import Callable
from typing import Any

from transformers.generation.continuous_batching.requests import RequestStatus
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING, FIFOScheduler

from serve_daemon.engine.budget import Budget
from serve_daemon.engine.continuous.sequences import SequenceState

NAME = "serve_daemon"


class Scheduler(FIFOScheduler):  # type: ignore[misc]
    """First come, first served, and prompts in small pieces where others decode."""

    on_dropped: Callable[[list[SequenceState]], None]
    budget: Budget
    _num_decoding: int

    def schedule_batch(self, token_budget: int, cache_budget: int) -> Any:
        states = self.active_requests.values()
        self._num_decoding = sum(state.status == RequestStatus.DECODING for state in states)
        allowed = self._num_decoding + self.budget.prompt_tokens(
            self._num_decoding, self._num_prompts
        )
        batch = super().schedule_batch(min(token_budget, allowed), cache_budget)
        self._num_tokens = sum(request.query_length for request in batch[0] or ())
        return batch

    @property
    def _num_prompts(self) -> int:
        """How many are to be read in and can be in this batch."""
        everybody = len(self.active_requests) + len(self.waiting_requests)
        return int(min(everybody, self.max_requests_per_batch)) - self._num_decoding

    def add_step(self, seconds: float) -> None:
        """Take in how long the batch that was scheduled last took."""
        num_prompt = max(self._num_tokens - self._num_decoding, 0)
        self.budget.add_step(seconds, self._num_decoding, num_prompt)

    def clear_cancelled_requests(self) -> list[SequenceState]:
        states: list[SequenceState] = super().clear_cancelled_requests()
        if states:
            # After a shortage of memory new sequences wait for one to finish. A cancelled one
            # counts too, or they would wait for ever where it was the last.
            self.block_new_requests = False
            for state in states:
                state.drop()
            self.on_dropped(states)
        return states

    def _infer_request_tokens(self, state: SequenceState, *arguments: Any) -> list[int]:
        had = state.position_offset
        tokens: list[int] = super()._infer_request_tokens(state, *arguments)
        state.cached_tokens += state.position_offset - had
        return tokens


SCHEDULER_MAPPING[NAME] = Scheduler
