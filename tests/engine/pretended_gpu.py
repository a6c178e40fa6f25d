"""As much of a GPU as it takes to run Transformers' async batching and graphs on a CPU.

Streams and events do nothing, since a CPU computes at once. A graph replays what was captured: the
same function, on the same tensors, whatever was decided outside of it since.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from transformers.generation.continuous_batching import (
    initialization,
    input_outputs,
    model_runner,
)

from serve_daemon.engine.continuous import manager, runner


class Stream:
    """Everything on it is done when it is asked for."""

    def record_event(self, event: Any) -> None: ...

    def wait_event(self, event: Any) -> None: ...

    def synchronize(self) -> None: ...


class Graph:
    """What was captured: a call."""

    replays = 0

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def replay(self) -> None:
        Graph.replays += 1
        self._call()

    def reset(self) -> None:
        """Free its memory: it has none."""


def capture(self: Any, forward: Callable[..., None], _stream: Any, *arguments: Any) -> None:
    """Stands in for `ModelRunner._capture_graph`: computed once, then kept."""
    forward(*arguments)
    self.inputs_and_outputs.set_graph(Graph(lambda: forward(*arguments)))


def pretend(patch: pytest.MonkeyPatch) -> None:
    """Make Transformers and the runner believe that the CPU has streams and graphs."""
    Graph.replays = 0
    patch.setattr(input_outputs.ContinuousBatchingAsyncIOs, "_supported_device_types", ("cpu",))
    patch.setattr(input_outputs, "create_device_stream", lambda _device: Stream())
    patch.setattr(input_outputs, "stream_context", lambda _stream: nullcontext())
    patch.setattr(model_runner, "stream_context", lambda _stream: nullcontext())
    patch.setattr(model_runner, "get_memory_pools", lambda: (None, None))
    patch.setattr(model_runner.ModelRunner, "_capture_graph", capture)
    patch.setattr(initialization, "get_accelerator_graph_name", lambda: "pretended")
    patch.setattr(runner, "_on", lambda _stream: nullcontext())
    patch.setattr(manager, "_can_attend_by_sequence", lambda _model: False)
