"""Transformers' manager as the engine drives it, in this process, without the engine around it."""

import threading
from collections.abc import Sequence
from typing import Any

from serve_daemon.engine.continuous import scheduler
from serve_daemon.engine.continuous.manager import Hooks, Manager
from serve_daemon.engine.continuous.sequences import SequenceState, state_of
from serve_daemon.engine.continuous.versions import manager_config
from serve_daemon.wire.messages import Output, Submit

WAIT_SECONDS = 120.0


def settings(**changes: Any) -> Any:
    """A small pool, and nothing that takes a GPU unless asked for."""
    values: dict[str, Any] = {
        "page_size": 32,
        "num_blocks": 64,
        "max_batch_tokens": 64,
        "max_memory_percent": 0.95,
        "max_requests_per_batch": 8,
        "use_async_batching": False,
        "use_cuda_graph": False,
        "auto_switch_to_flash": False,
        "q_padding_interval_size": 8,
        "kv_padding_interval_size": 64,
        "scheduler_type": scheduler.NAME,
    }
    return manager_config(**values | changes)


class Driven:
    """A manager at work, and what it hands out, by sequence."""

    def __init__(self, model: Any, config: Any) -> None:
        self.outputs: dict[int, list[Output]] = {}
        self.dropped: list[int] = []
        self.error: BaseException | None = None
        self._news = threading.Condition()
        hooks = Hooks(
            deliver=self._deliver, dropped=self._drop, stepped=lambda: None, ended=self._end
        )
        self.manager = Manager(model, config, hooks, threads=1)
        self.manager.start()

    def submit(self, submits: Sequence[Submit]) -> None:
        for each in submits:
            self.outputs[each.sequence] = []
            self.manager.add_state(state_of(0, each, each.max_new_tokens))

    def cancel(self, sequence: int) -> None:
        self.manager.cancel_request(f"0:{sequence}")

    def tokens(self, submits: Sequence[Submit]) -> list[list[int]]:
        """What comes of `submits`, all of them at once."""
        self.submit(submits)
        for each in submits:
            self.until(lambda number=each.sequence: self.is_finished(number))
        return [self.tokens_of(each.sequence) for each in submits]

    def tokens_of(self, sequence: int) -> list[int]:
        return [token for output in self.outputs[sequence] for token in output.tokens]

    def is_finished(self, sequence: int) -> bool:
        return any(output.finish is not None for output in self.outputs[sequence])

    def until(self, condition: Any) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.error or condition(), WAIT_SECONDS)
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        self.manager.stop(hard_stop=True)

    def _deliver(self, states: list[SequenceState]) -> None:
        with self._news:
            for state in states:
                self.outputs[state.sequence].append(state.to_output())
            self._news.notify_all()

    def _drop(self, states: list[SequenceState]) -> None:
        with self._news:
            self.dropped += [state.sequence for state in states]
            self._news.notify_all()

    def _end(self, error: BaseException | None) -> None:
        with self._news:
            self.error = error
            self._news.notify_all()
