"""Transformers' manager with the seams that an engine needs."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig
from transformers.generation.continuous_batching.continuous_api import (
    ContinuousBatchingManager,
    OutputRouter,
)

from serve_daemon.engine.budget import Budget
from serve_daemon.engine.continuous import attention, versions
from serve_daemon.engine.continuous.lazy_zeros import LazyZeros
from serve_daemon.engine.continuous.pipeline import CarryOver, land, must_land
from serve_daemon.engine.continuous.runner import Runner
from serve_daemon.engine.continuous.sequences import SequenceState
from serve_daemon.engine.pace import Pace, core_wait_seconds
from serve_daemon.engine.threads import compute_with

# Dynamo compiles each layer anew, and gives up after 8 of them.
COMPILATIONS_PER_LAYER = 4

logging.getLogger("ContinuousBatchingLogger").setLevel(logging.WARNING)


class Hooks:
    """What the manager's thread calls back with."""

    def __init__(
        self,
        *,
        deliver: Callable[[list[SequenceState]], None],
        dropped: Callable[[list[SequenceState]], None],
        stepped: Callable[[], None],
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self.deliver = deliver
        self.dropped = dropped
        self.stepped = stepped
        self.ended = ended


class Manager(ContinuousBatchingManager):  # type: ignore[misc]
    """Transformers' manager, which tells `hooks` of each step, each cancellation and its end."""

    def __init__(
        self, model: Any, config: ContinuousBatchingConfig, hooks: Hooks, threads: int
    ) -> None:
        generation = GenerationConfig(do_sample=False, eos_token_id=-1)
        super().__init__(model, generation, config, versions.longest_sequence(config, model))
        self._hooks = hooks
        self._is_in_flight = False  # a step is computed whose tokens are not on the host yet
        self._work = PatientEvent(before_waiting=self._land)
        setattr(self, versions.wake_up_event(self), self._work)
        self.output_router = Router(hooks.deliver)
        self.wanted_threads = threads
        self._pace = Pace(threads)
        self._threads = 0
        self._attends_by_sequence = not config.default_compile_level and _can_attend_by_sequence(
            model
        )
        if self._attends_by_sequence:
            model.set_attn_implementation(attention.NAME)

    def add_state(self, state: SequenceState) -> None:
        """Hand over a sequence; `add_request` would build a state of its own class."""
        self.input_queue.put(state)
        self._work.set()

    def join(self, *arguments: Any) -> None:
        """Wait for the end of the computing thread, which was told to stop."""
        self._work.set()
        super().join(*arguments)

    def forget_pace(self) -> None:
        """Use all threads again: what was seen so far tells nothing about what follows."""
        self._pace = Pace(self.wanted_threads)

    def _create_batch_processor(self) -> Any:
        with LazyZeros():
            processor = super()._create_batch_processor()
        processor.scheduler.on_dropped = self._hooks.dropped
        processor.scheduler.budget = Budget(processor.max_batch_tokens)
        processor.model_runner = Runner(processor)
        if processor.use_async_batching:
            inputs = processor.inputs_and_outputs
            inputs.infer_carry_over_ids = CarryOver(inputs)
        self._allow_compilations()
        processor.warmup(self.model)  # what is compiled or captured, if anything is
        return processor

    def _allow_compilations(self) -> None:
        layers = self.model.config.get_text_config().num_hidden_layers
        limits = torch._dynamo.config  # noqa: SLF001 - it has no public name
        limits.recompile_limit = max(limits.recompile_limit, COMPILATIONS_PER_LAYER * layers)

    def _generation_loop_body(self, batch_processor: Any, bootstrapping: bool) -> bool:
        if not batch_processor.use_async_batching:
            return bool(super()._generation_loop_body(batch_processor, bootstrapping))
        if bootstrapping:  # here a pipeline is begun whenever it is empty
            return False
        if must_land(batch_processor.scheduler.active_requests.values()):
            self._land()
        before = self.current_batch
        goes_on = super()._generation_loop_body(batch_processor, not self._is_in_flight)
        has_stepped = self.current_batch > before
        self._is_in_flight |= has_stepped
        return bool(goes_on or has_stepped)

    def _land(self) -> bool:
        """Wait for the step that is being computed; whether there was one."""
        was_in_flight, self._is_in_flight = self._is_in_flight, False
        if was_in_flight:
            land(self.batch_processor)
        return was_in_flight

    def _generation_step(self) -> None:
        self._pace.allow(self.wanted_threads)
        if self._threads != self._pace.threads:
            self._threads = self._pace.threads
            compute_with(self._threads)
        began, waited = time.monotonic(), core_wait_seconds()
        if self._attends_by_sequence:
            _plan_attention(self.batch_processor)
        super()._generation_step()
        seconds = time.monotonic() - began
        self._pace.add_step(seconds, core_wait_seconds() - waited)
        self.batch_processor.scheduler.add_step(seconds)
        self._hooks.stepped()

    def _run_generation_loop(self) -> None:
        try:
            super()._run_generation_loop()
        except BaseException as error:
            self._hooks.ended(error)
            raise
        self._hooks.ended(self.background_thread_status.fatal_error)

    def _handle_critical_error(self, error: Exception, batch_processor: Any) -> None:
        """Leave the sequences as they are: they go on elsewhere once this process has ended."""
        del batch_processor
        self.background_thread_status.record_fatal_error(error)


class PatientEvent(threading.Event):
    """The manager looks for work ten times a second; an idle engine needs to be woken instead.

    `before_waiting` does what is left to do; where that was something, there is no need to wait.
    """

    def __init__(self, before_waiting: Callable[[], bool]) -> None:
        super().__init__()
        self._before_waiting = before_waiting

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return self._before_waiting() or super().wait()


class Router(OutputRouter):  # type: ignore[misc]
    """Passes on what a step did in one call, in the computing thread."""

    def __init__(self, deliver: Callable[[list[SequenceState]], None]) -> None:
        super().__init__()
        self._deliver = deliver

    def deliver(self, output: SequenceState) -> None:
        self._deliver([output])

    def deliver_batch(self, outputs: list[SequenceState]) -> None:
        self._deliver(outputs)


def attention_name(model: Any) -> str:
    """The attention that `model` uses, as a config would name it."""
    name = _attention(model)
    return "sdpa" if name == attention.NAME else name.removeprefix("paged|")


def _attention(model: Any) -> str:
    return str(model.config._attn_implementation)  # noqa: SLF001 - it has no public name


def _can_attend_by_sequence(model: Any) -> bool:
    """Whether `attention.attend` does for this model what Transformers' own SDPA would."""
    config = model.config.get_text_config()
    return (
        model.device.type == "cpu"
        and _attention(model) == "sdpa"
        and versions.has_full_attention_only(config)
    )


def _plan_attention(processor: Any) -> None:
    inputs, cache = processor.inputs_and_outputs, processor.cache
    # A lone row goes through other kernels, with other rounding, than a row among several.
    inputs.num_q_tokens = max(inputs.num_q_tokens, 2)
    scheduled = inputs.requests_in_batch
    parts = attention.parts_of(
        (request.query_length, request.state.position_offset) for request in scheduled
    )
    slots = inputs.read_index_storage[0, : inputs.true_read_sizes[0]]
    cache.plan = attention.plan(list(parts), slots, cache.dtype)
