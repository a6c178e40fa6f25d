"""The engine program: its link to the supervisor, and its life from Configure to the exit."""

import asyncio
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import NoReturn

import structlog

from serve_daemon import __version__
from serve_daemon.engine import engines, footprint, heap, loader, quantization, requirements
from serve_daemon.engine.death import die_with_parent
from serve_daemon.engine.errors import classify
from serve_daemon.engine.peak import context_bytes, peak_bytes
from serve_daemon.engine.protocol import AnyEngine
from serve_daemon.engine.server import Server
from serve_daemon.wire import code, logs, transport
from serve_daemon.wire.messages import (
    Configure,
    Drain,
    EngineHeartbeat,
    EngineReady,
    Failing,
    Phase,
    Progress,
    Reason,
    SetLogLevel,
    SupervisorToEngine,
    UseThreads,
    Welcome,
)

LAST_WORDS_SECONDS = 2.0  # for a supervisor that is slow to read them

# Bars and hints for a person at a terminal are noise in a log.
QUIET = {
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
}
# Iterations that a computing thread waits spinning before it sleeps: enough between two operations
# of one model, and far less than the default, which burns the cores that the others wait for.
SPINNING = {"GOMP_SPINCOUNT": "20000"}
# Programs that oneDNN keeps, one for each number of tokens of a step and each shape of a weight; of
# the usual 1024, most are never run again.
KEPT_PROGRAMS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128"}
# For so long a thread waits before it asks another one for the interpreter. The usual 5 ms may be
# longer than a step: the event loop would miss the end of several before it had its turn.
SWITCH_SECONDS = 0.0005

log = structlog.get_logger()


class Program:
    """One engine process. The main thread talks, another one loads, a third one computes."""

    def __init__(self, link_fd: int, listen_fd: int) -> None:
        self._link_socket = socket.socket(fileno=link_fd)
        self._listening = socket.socket(fileno=listen_fd)
        self._link: transport.Peer[SupervisorToEngine] = transport.Peer(
            SupervisorToEngine, self._on_message, lambda _error: self._exit(1)
        )
        self._configure: Configure | None = None
        self._engine: AnyEngine | None = None
        self._server: Server | None = None
        self._threads = 1
        self._device = "cpu"

    def run(self) -> int:
        """Serve until told to leave; does not return but by an exception."""
        for name, value in (QUIET | SPINNING | KEPT_PROGRAMS).items():
            os.environ.setdefault(name, value)
        sys.setswitchinterval(SWITCH_SECONDS)
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._exit(0))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor hears it too, and drains
        die_with_parent()
        asyncio.run(self._talk())
        return 1

    async def _talk(self) -> None:
        self._loop = asyncio.get_running_loop()
        await transport.adopt(self._link, self._link_socket)
        await self._loop.create_future()

    # ------------------------------------------------ the supervisor's messages

    def _on_message(self, message: SupervisorToEngine) -> None:
        match message:
            case Configure():
                self._begin(message)
            case UseThreads(threads=threads):
                self._threads = threads
                if self._engine is not None:
                    self._engine.use_threads(threads)
            case SetLogLevel(level=level):
                logs.set_level(level)
            case Drain():
                self._drain()

    def _begin(self, configure: Configure) -> None:
        logs.configure_child_logging(configure.log_level)
        if configure.release != __version__:  # it may work, as while an upgrade is under way
            log.warning("not the daemon's version", version=__version__, daemon=configure.release)
        self._configure = configure
        self._threads = configure.threads
        self._beat(configure.heartbeat_seconds)
        threading.Thread(target=self._load, args=(configure,), name="load", daemon=True).start()

    def _drain(self) -> None:
        if self._server is None:
            self._exit(0)
        self._server.when_empty(lambda: self._exit(0))

    def _beat(self, seconds: float) -> None:
        self._loop.call_later(seconds, self._beat, seconds)
        if self._engine is None or self._server is None:
            self._link.send(EngineHeartbeat(0, 0, 0, 0, 0.0))
            return
        stats = self._engine.stats()
        self._link.send(
            EngineHeartbeat(
                running=stats.running,
                waiting=stats.waiting,
                steps=stats.steps,
                generated_tokens=stats.generated_tokens,
                stalled_seconds=stats.stalled_seconds,
                idle_seconds=self._server.idle_seconds,
                peak_bytes=peak_bytes(self._device),
                is_compiling=stats.is_compiling,
                prompt_tokens=self._server.prompt_tokens,
                kv_cache_usage=stats.kv_cache_usage,
            )
        )

    # ------------------------------------------------ in the loading thread

    def _load(self, configure: Configure) -> None:
        try:
            self._build(configure)
        except BaseException as error:  # noqa: BLE001 - told to the supervisor, then this exits
            self._call(self._fail, error)

    def _build(self, configure: Configure) -> None:
        requirements.need_torch()
        cache = Path(configure.cache_directory)
        checkpoint = loader.locate(configure.spec, self._announce)
        loader.check_kind(configure.spec, checkpoint)
        quantization.check(configure.spec, checkpoint)
        loader.begin(configure.spec, checkpoint, cache)
        self._announce(Phase.IMPORTING, "torch", 0, 0)
        program_bytes = footprint.unknown(
            cache,
            configure.spec.engine,
            with_bitsandbytes=quantization.needs_bitsandbytes(configure.spec, checkpoint),
        )
        import torch

        make = engines.implementation(configure.spec)
        torch.set_num_threads(self._threads)  # of this thread, which loads
        with heap.returned_at_once():
            loaded = loader.load(configure.spec, checkpoint, cache, self._announce)
            engine = make(loaded, configure.spec, self._threads)
        server = Server(
            engine=engine,
            welcome=Welcome(configure.engine_id, configure.spec.model),
            loop=self._loop,
            on_fatal=self._fail,
        )
        self._announce(Phase.WARMING, "", 0, 0)
        engine.start(server)
        facts = engine.facts()
        ready = EngineReady(
            artefacts=str(loaded.artefacts),
            max_context=facts.max_context,
            max_requests=facts.max_requests,
            vocabulary=facts.vocabulary,
            eos_tokens=facts.eos_tokens,
            device=facts.device,
            dtype=facts.dtype,
            attn_implementation=facts.attn_implementation,
            weights_bytes=facts.weights_bytes,
            kv_cache_bytes=facts.kv_cache_bytes,
            peak_bytes=peak_bytes(facts.device),
            kind=facts.kind,
            dimensions=facts.dimensions,
        )
        _keep_probe(cache, program_bytes | context_bytes(facts.device))
        code.let_go()
        self._call(self._become_ready, engine, server, ready)

    def _announce(self, phase: Phase, detail: str, done: int, total: int) -> None:
        self._call(self._link.send, Progress(phase, detail, done, total))

    def _call(self, function: object, *arguments: object) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)  # type: ignore[arg-type]

    # ------------------------------------------------ ready, and the ways to end

    def _become_ready(self, engine: AnyEngine, server: Server, ready: EngineReady) -> None:
        engine.use_threads(self._threads)
        self._engine, self._server, self._device = engine, server, ready.device
        server.note_end()
        self._accepting = self._loop.create_task(
            transport.listen(server.connection, self._listening)
        )
        self._link.send(ready)
        log.info(
            "engine ready",
            device=ready.device,
            dtype=ready.dtype,
            weights_bytes=ready.weights_bytes,
            kv_cache_bytes=ready.kv_cache_bytes,
        )

    def _fail(self, error: BaseException) -> None:
        """Say why, then exit with status 1."""
        failure = classify(error)
        if failure.reason is Reason.INTERNAL:
            log.error("engine failed", error=failure.message, exc_info=error)
        else:
            log.warning("engine failed", reason=failure.reason, error=failure.message)
        self._link.send(Failing(failure.reason, failure.message))
        self._link.close()  # its on_lost exits, once the last words are out
        self._loop.call_later(LAST_WORDS_SECONDS, self._exit, 1)

    def _exit(self, status: int) -> NoReturn:
        """End now: no thread, library or destructor may hold up an engine that is to leave."""
        os._exit(status)


def _keep_probe(cache: Path, program_bytes: dict[str, int]) -> None:
    """Leave word of what this machine can do, for programs that check a config without torch."""
    from serve_daemon.engine import probe

    try:
        probe.store_if_new(cache, program_bytes)
    except OSError as error:
        log.warning("what torch can do here is not kept", error=str(error))
