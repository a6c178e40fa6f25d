"""A fake engine program: the real command line, the real wire protocol, no model.

What it does, and what it does wrong, is told by the spec's source: see `fakes.behaviour`.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from fakes.artefacts import write_artefacts
from fakes.behaviour import Behaviour, read_source
from fakes.stepper import Connection, Stepper
from serve_daemon.wire.messages import (
    Configure,
    Drain,
    EngineHeartbeat,
    EngineReady,
    Failing,
    Kind,
    Phase,
    Progress,
    Reason,
    SetLogLevel,
    SupervisorToEngine,
    UseThreads,
    Welcome,
)
from serve_daemon.wire.transport import Peer, adopt, listen

PROBE = {"devices": ["cpu"]}


class FakeEngine:
    """The whole program."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._draining = False
        self._configured: asyncio.Future[Configure] = asyncio.get_running_loop().create_future()
        self._link: Peer[SupervisorToEngine] = Peer(
            SupervisorToEngine, self._told, lambda _error: os._exit(0)
        )

    async def run(self, link: socket.socket, listening: socket.socket) -> None:
        await adopt(self._link, link)
        self._configuration = await self._configured
        spec = self._configuration.spec
        behaviour = read_source(spec.source)
        self._stepper = Stepper(
            behaviour,
            max_requests=spec.max_requests,
            max_context=spec.max_context or behaviour.context,
            on_connection_lost=self._leave_if_drained,
        )
        _obey_or_ignore_sigterm(behaviour)
        beating = asyncio.create_task(self._beat())
        await self._load(behaviour)
        welcome = Welcome(self._configuration.engine_id, self._model)
        server = await listen(lambda: Connection(self._stepper).make_peer(welcome), listening)
        self._link.send(self._ready(behaviour))
        await asyncio.gather(beating, self._stepper.step_for_ever(), server.serve_forever())

    def _told(self, message: SupervisorToEngine) -> None:
        match message:
            case Configure():
                self._configured.set_result(message)
            case Drain():
                self._draining = True
                self._leave_if_drained()
            case UseThreads(threads=number):
                sys.stderr.write(f"fake engine: {number} threads\n")
            case SetLogLevel(level=level):
                sys.stderr.write(f"fake engine: log level {level}\n")

    def _leave_if_drained(self) -> None:
        if self._draining and not self._stepper.connections:
            os._exit(0)

    async def _load(self, behaviour: Behaviour) -> None:
        self._link.send(Progress(Phase.LOADING, detail=self._configuration.spec.source))
        await asyncio.sleep(behaviour.load)
        if behaviour.fail:
            self._link.send(Failing(Reason(behaviour.fail), "the fake engine was told to fail"))
            sys.exit(1)
        if behaviour.swallow and not behaviour.swallow_on:
            self._stepper.swallow()
        if behaviour.crash_loading:
            sys.stderr.write("fake engine: crashing while loading, as told\n")
            sys.exit(3)

    def _ready(self, behaviour: Behaviour) -> EngineReady:
        parent = Path(self._configuration.cache_directory) / "artefacts"
        kind = f"{behaviour.order}{'-thinks' if behaviour.thinks else ''}"
        directory = parent / f"{self._model.replace('/', '-')}-{kind}"
        generation = {"temperature": behaviour.temperature, "do_sample": not behaviour.greedy}
        write_artefacts(
            directory,
            generation_config=generation,
            order=behaviour.order,
            thinks=bool(behaviour.thinks),
        )
        return EngineReady(
            artefacts=str(directory),
            max_context=self._stepper.max_context,
            max_requests=self._stepper.max_requests,
            vocabulary=self._stepper.author.vocabulary,
            eos_tokens=[self._stepper.author.end],
            device="cpu",
            dtype="float32",
            attn_implementation="fake",
            weights_bytes=1,
            kv_cache_bytes=1,
            kind=Kind.EMBEDDING if behaviour.dimensions else Kind.GENERATION,
            dimensions=behaviour.dimensions,
        )

    async def _beat(self) -> None:
        while True:
            stepper = self._stepper
            running = min(stepper.in_work, stepper.max_requests)
            beat = EngineHeartbeat(
                running=running,
                waiting=stepper.in_work - running,
                steps=stepper.steps,
                generated_tokens=stepper.generated,
                stalled_seconds=stepper.stalled_seconds,
                idle_seconds=stepper.idle_seconds,
            )
            self._link.send(beat)
            await asyncio.sleep(self._configuration.heartbeat_seconds)


def _obey_or_ignore_sigterm(behaviour: Behaviour) -> None:
    if behaviour.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--model", default="")
    parser.add_argument("--link-fd", type=int, default=-1)
    parser.add_argument("--listen-fd", type=int, default=-1)
    options = parser.parse_args()
    if options.probe:
        sys.stdout.write(msgspec.json.encode(PROBE).decode() + "\n")
        return
    link = socket.socket(fileno=options.link_fd)
    listening = socket.socket(fileno=options.listen_fd)

    async def run() -> None:
        await FakeEngine(options.model).run(link, listening)

    asyncio.run(run())


if __name__ == "__main__":
    main()
