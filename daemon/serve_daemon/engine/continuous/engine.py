"""The engine over Transformers' continuous batching: sequences join and leave at every step."""

import time

from serve_daemon.engine import quantization
from serve_daemon.engine.continuous import manager as managers
from serve_daemon.engine.continuous.sequences import SequenceState, name, state_of
from serve_daemon.engine.continuous.settings import check, manager_settings, pool_for
from serve_daemon.engine.geometry import eos_tokens, weights_bytes
from serve_daemon.engine.grammars import Grammars
from serve_daemon.engine.kernels import build
from serve_daemon.engine.kernels.linear import pack_linears
from serve_daemon.engine.loader import Loaded
from serve_daemon.engine.protocol import Engine, Facts, Outputs, Sink, Stats
from serve_daemon.engine.submission import problem_of
from serve_daemon.engine.warm_up import WARM_UP_OWNER, WarmUp
from serve_daemon.wire.messages import EngineSpec, Finish, Output, Submit

__all__ = ["check", "make"]


def make(loaded: Loaded, spec: EngineSpec, threads: int) -> Engine:
    return ContinuousEngine(loaded, spec, threads)


class ContinuousEngine:
    """See `serve_daemon.engine.protocol.Engine`."""

    def __init__(self, loaded: Loaded, spec: EngineSpec, threads: int) -> None:
        self._model = loaded.model
        self._spec = spec
        self._device = loaded.device
        self._vocabulary: int = loaded.model.config.get_text_config().vocab_size
        self._pool = pool_for(loaded, spec)
        build.load(loaded.cache)
        if not quantization.is_quantized(loaded.model):  # else less memory is what was asked for
            pack_linears(loaded.model)
        self._sink: Sink | None = None
        self._grammars = Grammars(
            loaded.artefacts,
            self._vocabulary,
            eos_tokens(self._model),
            has_spare_cores=loaded.device != "cpu",
        )
        self._live: set[str] = set()
        self._steps = 0
        self._generated_tokens = 0
        self._last_progress = time.monotonic()
        self._manager = managers.Manager(
            self._model,
            manager_settings(spec, self._pool, loaded.device),
            managers.Hooks(
                deliver=self._deliver,
                dropped=self._dropped,
                stepped=self._stepped,
                ended=self._ended,
            ),
            threads,
        )

    def facts(self) -> Facts:
        return Facts(
            max_context=self._pool.max_context,
            max_requests=self._spec.max_requests,
            vocabulary=self._vocabulary,
            eos_tokens=eos_tokens(self._model),
            device=self._device,
            dtype=str(self._model.dtype).removeprefix("torch."),
            attn_implementation=managers.attention_name(self._model),
            weights_bytes=weights_bytes(self._model),
            kv_cache_bytes=self._pool.bytes,
        )

    def start(self, sink: Sink) -> None:
        warm_up = WarmUp()
        self._sink = warm_up
        self._manager.start()
        for sequence in warm_up.sequences(self._pool.max_context):
            self.submit(WARM_UP_OWNER, sequence)
        warm_up.wait()
        self._manager.forget_pace()
        self._steps = self._generated_tokens = 0
        self._sink = sink

    def submit(self, owner: int, sequence: Submit) -> None:
        room = self._pool.max_context - len(sequence.tokens)
        if problem := problem_of(sequence, self._pool.max_context, self._vocabulary):
            refusal = Output(sequence.sequence, [], Finish.REFUSED, problem)
            self._listener.step({owner: [refusal]})
            return
        most = min(room, sequence.max_new_tokens)
        if not sequence.grammar:
            self._join(state_of(owner, sequence, most))
            return
        self._grammars.prepare(
            name(owner, sequence.sequence),
            sequence,
            make=lambda grammar: state_of(owner, sequence, most, grammar),
            join=self._join,
            refuse=lambda reason: self._fail(owner, sequence.sequence, reason),
        )

    def cancel(self, owner: int, sequence: int) -> None:
        if not self._grammars.cancel(name(owner, sequence)):
            self._manager.cancel_request(name(owner, sequence))

    def use_threads(self, threads: int) -> None:
        self._manager.wanted_threads = threads

    def stats(self) -> Stats:
        live, processor = len(self._live), self._manager.batch_processor
        active = list(processor.scheduler.active_requests.values()) if processor else []
        running, tokens = len(active), sum(each.current_len() for each in active)
        return Stats(
            running=min(running, live),
            waiting=max(live - running, 0),
            steps=self._steps,
            generated_tokens=self._generated_tokens,
            stalled_seconds=time.monotonic() - self._last_progress if live else 0.0,
            # What is only kept for others to begin with is free; what several have counts for each.
            kv_cache_usage=min(tokens / (self._pool.pages * self._pool.page_tokens), 1.0),
        )

    def stop(self) -> None:
        self._manager.stop(hard_stop=True)

    @property
    def _listener(self) -> Sink:
        if self._sink is None:
            raise RuntimeError("the engine is used before start()")
        return self._sink

    # ------------------------------------------------ in any thread

    def _join(self, state: SequenceState) -> None:
        if not self._live:
            self._last_progress = time.monotonic()
        self._live.add(state.request_id)
        self._manager.add_state(state)

    def _fail(self, owner: int, sequence: int, reason: str) -> None:
        self._listener.step({owner: [Output(sequence, [], Finish.ERROR, reason)]})

    # ------------------------------------------------ in the computing thread

    def _deliver(self, states: list[SequenceState]) -> None:
        outputs: Outputs = {}
        for state in states:
            if state.request_id in self._live:  # else it has failed, and has still to leave
                outputs.setdefault(state.owner, []).append(self._output_of(state))
        self._grammars.foresee()
        self._listener.step(outputs)

    def _output_of(self, state: SequenceState) -> Output:
        output = state.to_output()
        self._generated_tokens += len(output.tokens)
        if output.finish is not None:
            self._live.discard(state.request_id)
        if state.record is not None and state.record.error:
            self._manager.cancel_request(state.request_id)
        return output

    def _dropped(self, states: list[SequenceState]) -> None:
        self._live.difference_update(state.request_id for state in states)

    def _stepped(self) -> None:
        self._steps += 1
        self._last_progress = time.monotonic()

    def _ended(self, error: BaseException | None) -> None:
        self._listener.fatal(error or RuntimeError("the computing thread ended unasked"))
