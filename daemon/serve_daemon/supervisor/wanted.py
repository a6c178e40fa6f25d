"""What a unit is to run, generation by generation, and what it can go back to."""

from typing import Any

from serve_daemon.supervisor.instance import Instance


class Wanted:
    """The spec that is wanted now. Each change counts as a new generation."""

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self.due = spec  # what is to follow; None: nothing, it is to leave
        self.generation = 1
        self._newest = 1
        self._proven: tuple[int, Any] | None = None
        self._failed: dict[int, str] = {}  # the last one

    def change(self, spec: Any, serving: Instance | None) -> None:
        """Want `spec`: that of `serving`, where it is the same, else a new generation."""
        self.spec = self.due = spec
        if serving is not None and serving.spec == spec:
            self.generation = serving.generation
        else:
            self._newest += 1
            self.generation = self._newest

    def prove(self, instance: Instance) -> None:
        """It works, so that one can go back to it."""
        self._proven = (instance.generation, instance.spec)

    def forget(self) -> None:
        """There is nothing to go back to."""
        self._proven = None

    def can_go_back(self, generation: int) -> bool:
        """Whether something else than what has failed is known to work."""
        return self._proven is not None and self._proven[0] != generation

    def go_back(self, generation: int, failure: str) -> None:
        """Want what works, since `generation` doesn't."""
        if self._proven is not None:
            self._failed = {generation: failure}
            self.generation, self.spec = self._proven
            self.due = self.spec

    def failure_of(self, generation: int) -> str:
        return self._failed.get(generation, "")
