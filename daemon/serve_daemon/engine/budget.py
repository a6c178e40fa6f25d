"""How many tokens of prompts a step takes in while others wait for it. No clock is read here.

A step with prompt tokens is longer than a usual one, and every stream waits for its end. So the
share of prompts is steered by what the last such steps took: a step that was too long makes the
next ones smaller in proportion, one that was not lets them grow. A machine on which prompts are
cheap soon gives them much at once.
"""

from serve_daemon.wire.messages import EngineSpec

# Tokens of one step: a long prompt is cut, so that others' tokens don't wait for all of it.
CPU_BATCH_TOKENS = 256
ACCELERATOR_BATCH_TOKENS = 2048

PATIENCE = 1.0  # usual steps that a stream's next token may come later, disturbances aside
FIRST_TOKENS = 32  # while nothing is known of this machine
SMALLEST_TOKENS = 16
GROWTH = 1.25  # of a share that was not too much
DRIFT = 1.05  # of what is usual, with each step that was longer or shorter than that: a median


def step_tokens(spec: EngineSpec, device: str) -> int:
    """The most tokens that a step on `device` may have."""
    usual = CPU_BATCH_TOKENS if device == "cpu" else ACCELERATOR_BATCH_TOKENS
    return max(spec.max_batch_tokens or usual, spec.max_requests)


class Budget:
    """Learns from each step's length."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._usual_seconds = 0.0  # of a step without prompt tokens
        self._share = float(FIRST_TOKENS)

    def prompt_tokens(self, num_decoding: int) -> int:
        """How many tokens of prompts the next step may have beside `num_decoding` streams."""
        room = self._max_tokens - num_decoding
        return min(room, int(self._share)) if num_decoding else room

    def add_step(self, seconds: float, num_decoding: int, num_prompt: int) -> None:
        """Take in a step that took `seconds`."""
        if not num_prompt:
            self._usual_seconds = self._drifted(seconds)
        elif num_decoding and self._usual_seconds:
            self._steer(seconds / self._usual_seconds, num_prompt)

    def _drifted(self, seconds: float) -> float:
        usual = self._usual_seconds
        if seconds > usual:
            return min(seconds, usual * DRIFT) if usual else seconds
        return max(seconds, usual / DRIFT)

    def _steer(self, usual_steps: float, num_prompt: int) -> None:
        """Aim at steps of 1 + PATIENCE usual ones."""
        if usual_steps > 1 + PATIENCE:
            fitting = num_prompt * PATIENCE / (usual_steps - 1)
            self._share = max(min(self._share, fitting), SMALLEST_TOKENS)
        elif num_prompt >= int(self._share):
            fitting = num_prompt * PATIENCE / max(usual_steps - 1, PATIENCE / GROWTH)
            self._share = min(fitting, self._max_tokens)
