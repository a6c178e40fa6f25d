"""The sequences that an engine computes before it is ready."""

import threading

from serve_daemon.engine.protocol import Outputs
from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling

WARM_UP_OWNER = -1


class WarmUp:
    """Sequences that make every first step happen before the first request does."""

    def __init__(self) -> None:
        self._open = 0
        self._done = threading.Event()
        self._error: BaseException | None = None

    def sequences(self, max_context: int) -> list[Submit]:
        prompts = [1, 8] if max_context > 16 else [1]  # noqa: PLR2004
        self._open = len(prompts)
        return [
            Submit(
                sequence=number,
                request_id="",
                tokens=[number] * length,
                max_new_tokens=min(3, max_context - length),
                stop_tokens=[],
                sampling=Sampling(temperature=float(number), top_p=0.9),
            )
            for number, length in enumerate(prompts)
        ]

    def wait(self) -> None:
        self._done.wait()
        if self._error is not None:
            raise self._error

    def step(self, outputs: Outputs) -> None:
        for output in outputs.get(WARM_UP_OWNER, []):
            self._open -= output.finish is not None
        if not self._open:
            self._done.set()

    def fatal(self, error: BaseException) -> None:
        self._error = error
        self._done.set()
