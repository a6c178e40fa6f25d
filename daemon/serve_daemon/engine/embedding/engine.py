"""The engine that makes vectors: texts of all requests share steps, by their length."""

import threading
import time

from serve_daemon.config import attention, model_kind
from serve_daemon.config.batching import texts_tokens
from serve_daemon.engine.embedding.encoder import Encoder
from serve_daemon.engine.embedding.loop import Join, Leave, Loop, Stop
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.geometry import weights_bytes
from serve_daemon.engine.loader import Loaded
from serve_daemon.engine.protocol import Embedder, Facts, Outputs, Sink, Stats
from serve_daemon.wire.messages import Embed, EngineSpec, Finish, Kind, Output, Reason

USUAL_CONTEXT = 512  # tokens of a text, where neither the model nor the config tells of a limit


def check(spec: EngineSpec) -> None:
    """Raise `EngineError` for what this engine can't do, before anything is loaded."""
    if problem := attention.problem_of(model_kind.EMBEDDING, spec.attn_implementation):
        raise EngineError(Reason.CONFIG, f"attn_implementation {problem}")


def make(loaded: Loaded, spec: EngineSpec, threads: int) -> Embedder:
    return EmbeddingEngine(loaded, spec, threads)


class EmbeddingEngine:
    """See `serve_daemon.engine.protocol.Embedder`."""

    def __init__(self, loaded: Loaded, spec: EngineSpec, threads: int) -> None:
        self._loaded = loaded
        self._spec = spec
        self._encoder = Encoder(loaded)
        self._vocabulary: int = loaded.model.config.get_text_config().vocab_size
        longest = model_kind.longest_text(loaded.checkpoint) or spec.max_context or USUAL_CONTEXT
        self._max_context = min(spec.max_context or longest, longest)
        self._max_tokens = texts_tokens(spec.max_batch_tokens, loaded.device.partition(":")[0])
        self._dimensions = 0  # until it has made a vector
        self._loop = Loop(self._encoder.vectors, self._max_tokens, threads)
        self._live: set[tuple[int, int]] = set()
        self._sink: Sink | None = None

    def facts(self) -> Facts:
        model = self._loaded.model
        return Facts(
            max_context=self._max_context,
            max_requests=self._spec.max_requests,
            vocabulary=self._vocabulary,
            eos_tokens=[],
            device=self._loaded.device,
            dtype=str(model.dtype).removeprefix("torch."),
            attn_implementation=str(model.config._attn_implementation),  # noqa: SLF001 - no other
            weights_bytes=weights_bytes(model),
            kv_cache_bytes=0,
            kind=Kind.EMBEDDING,
            dimensions=self._dimensions,
        )

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._loop.sink = self
        self._warm_up()
        threading.Thread(target=self._compute, name="compute", daemon=True).start()

    def _warm_up(self) -> None:
        """Have the first step happen before the first request; on a GPU, the largest, too."""
        self._dimensions = self._encoder.vectors([[0], [0] * min(8, self._max_context)]).shape[1]
        if self._loaded.device != "cpu":
            rows = max(1, self._max_tokens // self._max_context)
            self._encoder.vectors([[0] * self._max_context] * rows)

    def embed(self, owner: int, sequence: Embed) -> None:
        if problem := _problem_of(sequence, self._max_context, self._vocabulary):
            refusal = Output(sequence.sequence, [], Finish.REFUSED, problem)
            self._listener.step({owner: [refusal]})
            return
        if not self._live:
            self._loop.last_progress = time.monotonic()
        self._live.add((owner, sequence.sequence))
        self._loop.tell(Join(owner, sequence))

    def cancel(self, owner: int, sequence: int) -> None:
        self._live.discard((owner, sequence))
        self._loop.tell(Leave(owner, sequence))

    def use_threads(self, threads: int) -> None:
        self._loop.wanted_threads = threads

    def stats(self) -> Stats:
        live, loop = len(self._live), self._loop
        running = min(loop.num_running, live)
        return Stats(
            running=running,
            waiting=live - running,
            steps=loop.steps,
            generated_tokens=0,
            stalled_seconds=time.monotonic() - loop.last_progress if live else 0.0,
        )

    def stop(self) -> None:
        self._loop.tell(Stop())

    @property
    def _listener(self) -> Sink:
        if self._sink is None:
            raise RuntimeError("the engine is used before start()")
        return self._sink

    # ------------------------------------------------ in the computing thread

    def step(self, outputs: Outputs) -> None:
        for owner, of_owner in outputs.items():
            self._live.difference_update((owner, output.sequence) for output in of_owner)
        self._listener.step(outputs)

    def fatal(self, error: BaseException) -> None:
        self._listener.fatal(error)

    def _compute(self) -> None:
        try:
            self._loop.run()
        except BaseException as error:
            self.fatal(error)
            raise


def _problem_of(order: Embed, max_context: int, vocabulary: int) -> str:
    """Why `order` can't be computed; "" if it can."""
    if not order.texts or not all(order.texts):
        return "a text has no tokens"
    if (longest := max(map(len, order.texts))) > max_context:
        return f"a text has {longest} tokens; the model's context is {max_context}"
    if min(map(min, order.texts)) < 0 or max(map(max, order.texts)) >= vocabulary:
        return f"a text has tokens outside of the vocabulary of {vocabulary}"
    return ""
