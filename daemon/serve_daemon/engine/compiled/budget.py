"""How many tokens of prompts a step takes in while others wait for it. No clock is read here.

A step with prompt tokens is longer than a usual one, and every stream waits for its end. So prompts
get what makes it longer by `PATIENCE` usual steps at most, by what the steps so far took; a machine
on which prompts are cheap gives them much at once.
"""

PATIENCE = 2.0  # usual steps that a stream's next token may come later
UNKNOWN_TOKENS = 32  # while nothing is known of this machine
SMALLEST_TOKENS = 8
MEMORY = 0.8  # share of what was known that stays with each new step


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
            return min(room, UNKNOWN_TOKENS)
        affordable = int(PATIENCE * self._usual_seconds / self._prompt_token_seconds)
        return min(room, max(affordable, SMALLEST_TOKENS))

    def add_step(self, seconds: float, num_decoding: int, num_prompt: int) -> None:
        """Take in a step that took `seconds`."""
        if not num_prompt:
            self._usual_seconds = _blend(self._usual_seconds, seconds)
        elif num_decoding or num_prompt >= UNKNOWN_TOKENS:
            usual = self._usual_seconds if num_decoding else 0.0
            cost = max(seconds - usual, 0.0) / num_prompt
            self._prompt_token_seconds = _blend(self._prompt_token_seconds, cost)


def _blend(known: float, new: float) -> float:
    return known * MEMORY + new * (1 - MEMORY) if known else new
