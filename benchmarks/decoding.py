"""Sequences that decode together in an engine of this process, step by step."""

import random
from collections.abc import Sequence
from itertools import pairwise

from engine_here import OWNER, Here
from processes import ServerError
from serve_daemon.wire.messages import Finish

SETTLING_STEPS = 4  # after the last prompt has been read
FIRST_TOKEN = 100  # below are those with a meaning of their own


class Decoding:
    """So many sequences with prompts of so many random tokens; none shares its beginning."""

    def __init__(self, here: Here, num_streams: int, prompt_tokens: int, new_tokens: int) -> None:
        draw = random.Random(num_streams)  # noqa: S311 (nothing is secret here)
        last = here.engine.facts().vocabulary - 1
        self._here = here
        self._live = {
            here.submit(draw.choices(range(FIRST_TOKEN, last), k=prompt_tokens), new_tokens)
            for _ in range(num_streams)
        }
        self._waiting = set(self._live)
        self.num_streams = num_streams

    def settle(self) -> None:
        """Return when each has its first tokens, so that all steps from now on decode alone.

        Raises `ServerError` where a sequence ends before.
        """
        while self._waiting:
            self._step()
        self.steps(SETTLING_STEPS)

    def steps(self, number: int) -> list[float]:
        """When so many steps ended, after the one that was the last before.

        Raises `ServerError` where a sequence ends.
        """
        return [self._step() for _ in range(number)]

    def catch_up(self) -> None:
        """Take the steps that ended while nobody asked: the next one ends from now on.

        Raises `ServerError` where a sequence ends.
        """
        while self._here.listener.is_behind:
            self._step()

    def end(self) -> None:
        """Leave nothing to compute."""
        for number in self._live:
            self._here.engine.cancel(OWNER, number)

    def _step(self) -> float:
        """When the next step ended that gave tokens to one of the sequences."""
        while True:
            seconds, outputs = self._here.listener.next()
            ours = [each for each in outputs if each.sequence in self._live]
            for each in ours:
                if each.finish in (Finish.ERROR, Finish.REFUSED):
                    raise ServerError(f"a sequence failed: {each.error}")
                if each.finish is not None:
                    raise ServerError("a sequence ended while it was measured")
            self._waiting.difference_update(each.sequence for each in ours)
            if ours:
                return seconds


def gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]
