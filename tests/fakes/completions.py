"""A completion without an engine: what an answer asks of one."""

from collections.abc import Iterable

from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.wire.messages import Finish
from serve_daemon.wire.sampling import Sampling


class FakeCompletion:
    """Has come to its end; `tokens` are those whose log-probabilities come."""

    sampling = Sampling()
    prompt_tokens = 3
    cached_tokens = 1
    completion_tokens = 5
    reasoning_tokens = 2

    def __init__(self, finish_reason: Finish = Finish.STOP) -> None:
        self.finish_reason = finish_reason
        self._tokens: list[TokenLogprob] = []

    def come(self, texts: Iterable[str]) -> None:
        """Let these tokens be there, with their log-probabilities."""
        self._tokens += [TokenLogprob(text, list(text.encode()), -1.0, []) for text in texts]

    def take_logprobs(self) -> list[TokenLogprob]:
        taken, self._tokens = self._tokens, []
        return taken
