"""One step computed while the next is prepared, as far as the sequences allow it.

Transformers prepares step N + 1 before the tokens of step N are on the host; they are carried over
on the device. What samples by the tokens so far, or has log-probabilities to deliver, has to wait
for them: while there is such a sequence, every step lands before the next is prepared.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from serve_daemon.engine.continuous.sequences import SequenceState


def must_land(states: Iterable[SequenceState]) -> bool:
    """Whether the next step has to wait for the tokens of the last."""
    return any(state.needs_last_token for state in states)


def land(processor: Any) -> None:
    """Hand out the tokens of the step that is computed now, as preparing the next step would."""
    inputs = processor.inputs_and_outputs
    inputs.swap_io_pairs()
    processor.update_batch()
    landed = inputs.io_pairs[inputs.current_pair].host_io
    # Nothing of it is carried over, nor handed out again when the computing thread ends.
    landed.requests_in_batch = []
    landed.req_id_to_new_token_position = {}
    inputs.swap_io_pairs()


class CarryOver:
    """Which token of the step before goes where, in one buffer: Transformers makes a list anew."""

    def __init__(self, inputs: Any) -> None:
        self._inputs = inputs
        self._ids = np.full(inputs.max_batch_tokens, -1, dtype=np.int32)
        self._used: list[int] = []

    def __call__(self) -> torch.Tensor:
        """The place of each token among the last step's; -1 where it is not one of those: [T]."""
        self._ids[self._used] = -1
        here, pairs = self._inputs.current_pair, self._inputs.io_pairs
        wanted = pairs[here].host_io.req_id_to_new_token_position
        computed = pairs[1 - here].host_io.req_id_to_new_token_position
        places = {wanted[name]: place for place, name in enumerate(computed) if name in wanted}
        self._used = list(places)
        self._ids[self._used] = list(places.values())
        return torch.from_numpy(self._ids)
