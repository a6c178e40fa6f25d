"""How many tokens of prompts a step takes in while others wait for it. No clock is read here.

A step with prompt tokens is longer than a usual one, and every stream waits for its end. So the
share of a prompt follows from what its tokens took in the last such steps. A machine on which
prompts are cheap soon gives them much at once. Where several prompts wait each has such a share, or
streams that begin as fast as others end would wait for ever longer.
"""

from serve_daemon.config import batching
from serve_daemon.wire.messages import EngineSpec

PATIENCE = 0.75  # usual steps that a stream's next token may come later, disturbances aside
FIRST_TOKENS = 32  # while nothing is known of this machine
SMALLEST_TOKENS = 16  # fewer save little: a step with any has costs of its own
GROWTH = 1.25  # of a share that was not too much
DRIFT = 1.05  # of what is usual, with each step that was longer or shorter than that: a median


def step_tokens(spec: EngineSpec, device: str) -> int:
    """The most tokens that a step on `device` may have."""
    kind = device.partition(":")[0]
    return batching.step_tokens(spec.max_batch_tokens, spec.max_requests, kind)


class Budget:
    """Learns from each step's length: that of usual steps, and what a prompt's token adds to it."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._usual_seconds = 0.0  # of a step without prompt tokens
        self._token_seconds = 0.0  # of a prompt's token beside that

    def prompt_tokens(self, num_decoding: int, num_prompts: int = 1) -> int:
        """How many tokens of so many prompts the next step may have beside the decoding streams."""
        room = self._max_tokens - num_decoding
        return min(room, self._share * max(num_prompts, 1)) if num_decoding else room

    @property
    def _share(self) -> int:
        """As many tokens as take PATIENCE usual steps."""
        if not self._token_seconds:
            return FIRST_TOKENS
        return max(int(self._spare_seconds / self._token_seconds), SMALLEST_TOKENS)

    @property
    def _spare_seconds(self) -> float:
        return PATIENCE * self._usual_seconds

    def add_step(self, seconds: float, num_decoding: int, num_prompt: int) -> None:
        """Take in a step that took `seconds`."""
        if not num_prompt:
            self._usual_seconds = self._drifted(seconds)
        elif num_decoding and self._usual_seconds:
            self._learn((seconds - self._usual_seconds) / num_prompt)

    def _drifted(self, seconds: float) -> float:
        usual = self._usual_seconds
        if seconds > usual:
            return min(seconds, usual * DRIFT) if usual else seconds
        return max(seconds, usual / DRIFT)

    def _learn(self, token_seconds: float) -> None:
        """Believe at once that tokens are dear, and only by and by that they are cheap."""
        known = self._token_seconds or self._spare_seconds / FIRST_TOKENS
        dearest = self._spare_seconds / SMALLEST_TOKENS
        cheapest = self._spare_seconds / self._max_tokens
        token_seconds = max(token_seconds, known / GROWTH, cheapest)
        self._token_seconds = min(token_seconds, dearest)
