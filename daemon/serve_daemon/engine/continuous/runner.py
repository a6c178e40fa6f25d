"""A step on the device, and the sampler after it: outside of what is compiled or captured.

A graph that was captured repeats what it saw at that time. So it holds the model and the greedy
choice, which is the same for everyone, and leaves the logits where the sampler finds them; what a
sequence asks for beyond that is done after the replay, in the order of the same stream.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from transformers.generation.continuous_batching.input_outputs import ContinuousBatchingAsyncIOs
from transformers.generation.continuous_batching.model_runner import ModelRunner

from serve_daemon.engine.continuous.sequences import SequenceState
from serve_daemon.engine.logprobs import logprobs_of, wants_logprobs
from serve_daemon.engine.sampling import choose, is_argmax


class Runner(ModelRunner):  # type: ignore[misc]
    """Transformers' runner, whose greedy tokens make way for those that the sampler chose."""

    def __init__(self, processor: Any) -> None:
        super().__init__(
            logit_processor=processor.logit_processor,
            cb_config=processor.cb_config,
            inputs_and_outputs=processor.inputs_and_outputs,
            cache=processor.cache,
            do_sample=False,
            return_logprobs=False,
        )
        # [N, V]; what is captured writes to the same place each time
        shape = (processor.cb_config.max_requests_per_batch, processor.config.vocab_size)
        size = shape if self.pad_inputs else (0,)
        self._logits = torch.zeros(size, device=processor.model_device)

    def compute_batch(self, model: Any, batch_data: dict[str, Any]) -> None:
        super().compute_batch(model, batch_data)
        states = sampled_states(self.inputs_and_outputs)
        draws = [state.next_draw() for state in states]
        if all(is_argmax(draw) and not wants_logprobs(draw) for draw in draws):
            return
        with _on(self.inputs_and_outputs.compute_stream):
            logits = self._logits[: len(draws)]
            tokens = choose(logits, draws)
            for row, logprobs in logprobs_of(logits, tokens, draws).items():
                states[row].newest_logprobs = logprobs
            *_, output_ids = self.inputs_and_outputs.get_cb_kwargs()
            output_ids[0, : len(draws)].copy_(tokens)

    def _sample(self, scores: torch.Tensor, output_ids: torch.Tensor) -> None:
        """Take the likeliest tokens of `scores` [1, N, V], and leave those where they are found."""
        super()._sample(scores, output_ids)
        if self.pad_inputs:
            self._logits[: scores.shape[1]].copy_(scores[0])
        else:
            self._logits = scores[0]


def sampled_states(inputs: Any) -> list[SequenceState]:
    """The sequences that get a token from the step that `inputs` are of, in its order."""
    if isinstance(inputs, ContinuousBatchingAsyncIOs):
        inputs = inputs.io_pairs[inputs.current_pair].host_io
    states = [each.state for each in inputs.requests_in_batch if each.has_new_token]
    return [state for state in states if isinstance(state, SequenceState)]  # none to warm up


def _on(stream: Any) -> AbstractContextManager[Any]:
    return nullcontext() if stream is None else torch.cuda.stream(stream)
