"""The engine over slots: a step compiled ahead of time, which sequences join and leave."""

import threading
import time

from serve_daemon.config import attention
from serve_daemon.config.kv_cache import Wishes
from serve_daemon.engine.budget import step_tokens
from serve_daemon.engine.compiled import caches, kept, memory, package
from serve_daemon.engine.compiled.loop import Join, Leave, Loop, Stop, Use
from serve_daemon.engine.compiled.protocol import StepSource
from serve_daemon.engine.compiled.sequences import Sequence
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.geometry import available_bytes
from serve_daemon.engine.grammars import Grammars
from serve_daemon.engine.kernels import build
from serve_daemon.engine.loader import Loaded, choose_device
from serve_daemon.engine.protocol import Engine, Facts, Outputs, Sink, Stats
from serve_daemon.engine.submission import problem_of
from serve_daemon.engine.warm_up import WARM_UP_OWNER, WarmUp
from serve_daemon.wire.messages import EngineSpec, Finish, Output, Reason, Submit

ATTENTION = "slots"


def check(spec: EngineSpec) -> None:
    """Raise `EngineError` for what this engine can't do, before anything is loaded."""
    if problem := attention.problem_of("compiled", spec.attn_implementation):
        raise EngineError(Reason.CONFIG, f"attn_implementation {problem}")
    if spec.kv_cache_dtype != "auto" and choose_device(spec.device) != "cpu":
        message = f"kv_cache_dtype '{spec.kv_cache_dtype}' is for a CPU; remove it for a GPU"
        raise EngineError(Reason.CONFIG, message)
    for key in ("max_batch_tokens", "max_requests"):
        if getattr(spec, key) > package.MAX_TOKENS:
            raise EngineError(
                Reason.CONFIG,
                f"{key}: engine 'compiled' computes at most {package.MAX_TOKENS} tokens a step",
            )


def make(loaded: Loaded, spec: EngineSpec, threads: int) -> Engine:
    return CompiledEngine(loaded, spec, threads)


def step_source(loaded: Loaded, spec: EngineSpec) -> StepSource:
    """What an earlier start has kept, or else the model."""
    build.load(loaded.cache)
    if loaded.device == "cpu" and (found := kept.find(loaded, spec)) is not None:
        return found
    from serve_daemon.engine.compiled.from_model import FromModel

    return FromModel(loaded, spec)


class CompiledEngine:
    """See `serve_daemon.engine.protocol.Engine`."""

    def __init__(self, loaded: Loaded, spec: EngineSpec, threads: int) -> None:
        self._device = loaded.device
        self._spec = spec
        source = step_source(loaded, spec)
        self._decoder = source.decoder
        self._pool = self._plan()
        made = self._decoder.caches(self._pool.slots, self._pool.max_context, loaded.device)
        self._compiler = source.compiler(made)
        self._loop = Loop(
            compute=self._compiler.compute(),
            slots=self._pool.slots,
            max_tokens=step_tokens(spec, loaded.device),
            copy_slot=lambda *places: caches.copy(made, *places),
        )
        self._loop.wanted_threads = threads
        self._grammars = Grammars(
            loaded.artefacts,
            self._decoder.vocabulary,
            self._decoder.eos_tokens,
            has_spare_cores=loaded.device != "cpu",
        )
        self._live: set[tuple[int, int]] = set()
        self._sink: Sink | None = None

    def facts(self) -> Facts:
        return Facts(
            max_context=self._pool.max_context,
            max_requests=self._pool.slots,
            vocabulary=self._decoder.vocabulary,
            eos_tokens=self._decoder.eos_tokens,
            device=self._device,
            dtype=self._decoder.dtype,
            attn_implementation=ATTENTION,
            weights_bytes=self._decoder.weights_bytes,
            kv_cache_bytes=self._pool.bytes,
        )

    def start(self, sink: Sink) -> None:
        warm_up = WarmUp()
        self._sink = warm_up
        self._loop.sink = self
        threading.Thread(target=self._compute, name="compute", daemon=True).start()
        for sequence in warm_up.sequences(self._pool.max_context):
            self.submit(WARM_UP_OWNER, sequence)
        warm_up.wait()
        self._loop.steps = self._loop.generated_tokens = 0
        self._sink = sink
        self._compiler.improve(lambda compute: self._loop.tell(Use(compute)))

    def submit(self, owner: int, sequence: Submit) -> None:
        if problem := problem_of(sequence, self._pool.max_context, self._decoder.vocabulary):
            refusal = Output(sequence.sequence, [], Finish.REFUSED, problem)
            self._listener.step({owner: [refusal]})
            return
        max_context = self._pool.max_context
        if not sequence.grammar:
            self._join(Sequence(owner, sequence, max_context))
            return
        self._grammars.prepare(
            (owner, sequence.sequence),
            sequence,
            make=lambda grammar: Sequence(owner, sequence, max_context, grammar),
            join=self._join,
            refuse=lambda reason: self._fail(owner, sequence.sequence, reason),
        )

    def cancel(self, owner: int, sequence: int) -> None:
        if self._grammars.cancel((owner, sequence)):
            return
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
            generated_tokens=loop.generated_tokens,
            stalled_seconds=time.monotonic() - loop.last_progress if live else 0.0,
            is_compiling=self._compiler.is_compiling,
            kv_cache_usage=running / self._pool.slots,
        )

    def stop(self) -> None:
        self._loop.tell(Stop())

    # ------------------------------------------------ in any thread

    def _join(self, sequence: Sequence) -> None:
        if not self._live:
            self._loop.last_progress = time.monotonic()
        self._live.add((sequence.owner, sequence.submit.sequence))
        self._loop.tell(Join(sequence))

    def _fail(self, owner: int, sequence: int, reason: str) -> None:
        self._listener.step({owner: [Output(sequence, [], Finish.ERROR, reason)]})

    # ------------------------------------------------ in the computing thread

    def step(self, outputs: Outputs) -> None:
        self._grammars.foresee()
        for owner, of_owner in outputs.items():
            for output in of_owner:
                if output.finish is not None:
                    self._live.discard((owner, output.sequence))
        self._listener.step(outputs)

    def fatal(self, error: BaseException) -> None:
        self._listener.fatal(error)

    def _compute(self) -> None:
        try:
            self._loop.run()
        except BaseException as error:
            self.fatal(error)
            raise

    # ------------------------------------------------

    @property
    def _listener(self) -> Sink:
        if self._sink is None:
            raise RuntimeError("the engine is used before start()")
        return self._sink

    def _plan(self) -> memory.Pool:
        spec = self._spec
        wishes = Wishes(spec.engine, spec.max_requests, spec.max_context, spec.kv_cache_memory)
        return memory.plan(
            self._decoder.bytes_per_token,
            self._decoder.max_positions,
            wishes,
            available_bytes(self._device),
            self._device.partition(":")[0],
        )
