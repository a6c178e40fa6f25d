"""The engine over Transformers' continuous batching: sequences join and leave at every step."""

import threading
import time
from typing import Any

import torch

from serve_daemon.engine.continuous import manager as managers
from serve_daemon.engine.continuous import memory
from serve_daemon.engine.continuous.sequences import SequenceState, name, state_of
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.loader import Loaded
from serve_daemon.engine.protocol import Facts, Outputs, Sink, Stats
from serve_daemon.wire.messages import EngineSpec, Finish, Output, Reason, Sampling, Submit

BATCH_TOKENS = 512  # of one step: a long prompt is cut, so that others' tokens don't wait for it
WARM_UP_OWNER = -1


class ContinuousEngine:
    """See `serve_daemon.engine.protocol.Engine`."""

    def __init__(self, loaded: Loaded, spec: EngineSpec, threads: int) -> None:
        self._model = loaded.model
        self._spec = spec
        self._device = loaded.device
        self._pool = _pool(loaded, spec)
        self._sink: Sink | None = None
        self._live: set[str] = set()
        self._steps = 0
        self._generated_tokens = 0
        self._last_progress = time.monotonic()
        self._manager = managers.Manager(
            self._model,
            _settings(spec, self._pool, loaded.device),
            managers.Hooks(
                deliver=self._deliver,
                dropped=self._dropped,
                stepped=self._stepped,
                ended=self._ended,
            ),
        )
        self._manager.wanted_threads = threads

    def facts(self) -> Facts:
        config = self._model.config
        return Facts(
            max_context=self._pool.max_context,
            max_requests=self._spec.max_requests,
            vocabulary=config.get_text_config().vocab_size,
            eos_tokens=_eos_tokens(self._model),
            device=self._device,
            dtype=str(self._model.dtype).removeprefix("torch."),
            attn_implementation=str(config._attn_implementation).removeprefix("paged|"),  # noqa: SLF001 - Transformers has no public name for it
            weights_bytes=sum(
                tensor.numel() * tensor.element_size() for tensor in self._model.parameters()
            ),
            kv_cache_bytes=self._pool.bytes,
        )

    def start(self, sink: Sink) -> None:
        warm_up = _WarmUp()
        self._sink = warm_up
        self._manager.start()
        for sequence in warm_up.sequences(self._pool.max_context):
            self.submit(WARM_UP_OWNER, sequence)
        warm_up.wait()
        self._steps = self._generated_tokens = 0
        self._sink = sink

    def submit(self, owner: int, sequence: Submit) -> None:
        room = self._pool.max_context - len(sequence.tokens)
        if problem := _problem(sequence, self._pool.max_context):
            refusal = Output(sequence.sequence, [], Finish.REFUSED, problem)
            self._listener.step({owner: [refusal]})
            return
        if not self._live:
            self._last_progress = time.monotonic()
        state = state_of(owner, sequence, min(room, sequence.max_new_tokens))
        self._live.add(state.request_id)
        self._manager.add_state(state)

    def cancel(self, owner: int, sequence: int) -> None:
        self._manager.cancel_request(name(owner, sequence))

    def use_threads(self, threads: int) -> None:
        self._manager.wanted_threads = threads

    def stats(self) -> Stats:
        live, processor = len(self._live), self._manager.batch_processor
        running = len(processor.scheduler.active_requests) if processor is not None else 0
        return Stats(
            running=min(running, live),
            waiting=max(live - running, 0),
            steps=self._steps,
            generated_tokens=self._generated_tokens,
            stalled_seconds=time.monotonic() - self._last_progress if live else 0.0,
        )

    def stop(self) -> None:
        self._manager.stop(hard_stop=True)

    @property
    def _listener(self) -> Sink:
        if self._sink is None:
            raise RuntimeError("the engine is used before start()")
        return self._sink

    # ------------------------------------------------ in the computing thread

    def _deliver(self, states: list[SequenceState]) -> None:
        outputs: Outputs = {}
        for state in states:
            output = state.to_output()
            self._generated_tokens += len(output.tokens)
            if output.finish is not None:
                self._live.discard(state.request_id)
            outputs.setdefault(state.owner, []).append(output)
        self._listener.step(outputs)

    def _dropped(self, states: list[SequenceState]) -> None:
        self._live.difference_update(state.request_id for state in states)

    def _stepped(self) -> None:
        self._steps += 1
        self._last_progress = time.monotonic()

    def _ended(self, error: BaseException | None) -> None:
        self._listener.fatal(error or RuntimeError("the computing thread ended unasked"))


class _WarmUp:
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


def _problem(sequence: Submit, max_context: int) -> str:
    """Why `sequence` can't be computed; "" if it can."""
    length = len(sequence.tokens)
    if not length:
        return "the prompt has no tokens"
    if length >= max_context:
        return f"the prompt has {length} tokens; the model's context is {max_context}"
    if sequence.max_new_tokens < 1:
        return "max_new_tokens is less than 1"
    return ""


def _pool(loaded: Loaded, spec: EngineSpec) -> memory.Pool:
    config = loaded.model.config.get_text_config()
    heads = config.num_attention_heads
    geometry = memory.Geometry(
        layers=config.num_hidden_layers,
        key_value_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        bytes_per_value=loaded.model.dtype.itemsize,
        max_positions=config.max_position_embeddings,
    )
    wishes = memory.Wishes(
        max_requests=spec.max_requests,
        max_context=spec.max_context,
        kv_cache_memory=spec.kv_cache_memory,
    )
    kind = loaded.device.partition(":")[0]
    return memory.plan(geometry, wishes, _available_bytes(loaded.device), kind)


def _available_bytes(device: str) -> int:
    if device != "cpu":
        return torch.cuda.mem_get_info(torch.device(device))[0]
    import psutil

    return int(psutil.virtual_memory().available)


def _settings(spec: EngineSpec, pool: memory.Pool, device: str) -> Any:
    if spec.engine != "continuous":
        raise EngineError(Reason.CONFIG, f"engine '{spec.engine}' is not known here")
    return managers.settings(
        page_size=memory.PAGE_TOKENS,
        num_blocks=pool.pages,
        max_batch_tokens=max(spec.max_batch_tokens or BATCH_TOKENS, spec.max_requests),
        max_memory_percent=0.95,
        max_requests_per_batch=spec.max_requests,
        allow_block_sharing=True,
        use_async_batching=False,
        use_cuda_graph=False,  # a captured graph would freeze the sampler's choice of path
        auto_switch_to_flash=device != "cpu" and spec.attn_implementation == "auto",
        scheduler_type=managers.SCHEDULER,
    )


def _eos_tokens(model: Any) -> list[int]:
    for config in (model.generation_config, model.config):
        eos = getattr(config, "eos_token_id", None)
        if eos is not None:
            return [eos] if isinstance(eos, int) else list(eos)
    return []
