"""How many tokens of prompts a step takes in while others wait for it. No clock is read here.

A step with prompt tokens is longer than a usual one, and every stream waits for its end. So prompts
get what makes it longer by `PATIENCE` usual steps at most, by what the steps so far took; a machine
on which prompts are cheap gives them much at once.
"""

PATIENCE = 2.0  # usual steps that a stream's next token may come later
SMALLEST_TOKENS = 32  # also while nothing is known of this machine
MEMORY = 0.8  # share of what was known that stays with each new step
RISE = 1.1  # a step that others disturbed must not make prompts look dear for long


class Budget:
    """Learns what tokens cost from each step's length."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._usual_seconds = 0.0  # of a step without prompt tokens
        self._prompt_token_seconds = 0.0

    def prompt_tokens(self, num_decoding: int) -> int:
        """How many tokens of prompts the next step may have beside `num_decoding` streams."""
        room = self._max_tokens - num_decoding
        if not num_decoding:
            return room
        if not (self._usual_seconds and self._prompt_token_seconds):
            return min(room, SMALLEST_TOKENS)
        affordable = int(PATIENCE * self._usual_seconds / self._prompt_token_seconds)
        return min(room, max(affordable, SMALLEST_TOKENS))

    def add_step(self, seconds: float, num_decoding: int, num_prompt: int) -> None:
        """Take in a step that took `seconds`."""
        if not num_prompt:
            known = self._usual_seconds
            self._usual_seconds = known * MEMORY + seconds * (1 - MEMORY) if known else seconds
        elif num_prompt >= SMALLEST_TOKENS:
            usual = self._usual_seconds if num_decoding else 0.0
            cost = max(seconds - usual, 0.0) / num_prompt
            known = self._prompt_token_seconds
            self._prompt_token_seconds = min(known * RISE, cost) if known else cost
