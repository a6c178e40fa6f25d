"""What engines would take of this machine."""

from pathlib import Path
from typing import Any

import pytest

from serve_daemon.config.estimate import Estimate
from serve_daemon.config.probe import Device, Probe, store
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor import machine
from serve_daemon.supervisor.programs import EngineLaunch
from serve_daemon.supervisor.settings import engine_spec

CPU = Device("cpu", "a processor", 2**34, ["float32"])
GPUS = [Device(f"cuda:{number}", "an accelerator", 2**36, ["bfloat16"]) for number in range(2)]


def probe(*devices: Device) -> Probe:
    return Probe({}, list(devices), [], [], [])


@pytest.mark.parametrize(
    ("asked", "devices", "device"),
    [
        ("auto", [CPU], "cpu"),
        ("auto", [CPU, *GPUS], "cuda:0"),
        ("cpu", [CPU, *GPUS], "cpu"),
        ("cuda", [CPU, *GPUS], "cuda:0"),
        ("cuda:1", [CPU, *GPUS], "cuda:1"),
    ],
)
def test_the_device_is_the_one_that_the_engine_takes(
    asked: str, devices: list[Device], device: str
) -> None:
    """By the same rules."""
    assert machine.device_of(asked, probe(*devices)) == device


def launch(**keys: Any) -> EngineLaunch:
    return EngineLaunch("", engine_spec("m", Model(**keys)))


def test_nothing_is_known_before_the_machine_is_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And all from then on, without a restart."""
    estimate = Estimate(1, 2, 3, 4)
    monkeypatch.setattr(machine, "estimate", lambda *_: estimate)
    here = machine.ThisMachine(str(tmp_path))
    assert here.need(launch()) is None
    store(str(tmp_path), "", probe(CPU))
    need = here.need(launch())
    assert need is not None
    assert (need.device, need.estimate) == ("cpu", estimate)


@pytest.mark.parametrize(
    ("keys", "least"),
    [({}, 256), ({"max_context": 4096}, 4096), ({"kv_cache_memory": 2**20}, 10000)],
)
def test_what_leaves_its_cache_open_can_do_with_less(
    keys: dict[str, Any], least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine chooses it by what is free; what the file asks for is no choice."""

    def estimate(model: Model, *_: object) -> Estimate:
        return Estimate(0, 0, model.max_context or 10000, 0)

    monkeypatch.setattr(machine, "estimate", estimate)
    store(str(tmp_path), "", probe(CPU))
    need = machine.ThisMachine(str(tmp_path)).need(launch(**keys))
    assert need is not None
    assert need.least == least


def test_nothing_is_known_of_what_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as weights that are to be downloaded."""
    monkeypatch.setattr(machine, "estimate", lambda *_: None)
    store(str(tmp_path), "", probe(CPU))
    assert machine.ThisMachine(str(tmp_path)).need(launch()) is None


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"source": "/models/m", "engine": "compiled", "max_requests": 3, "max_context": 99},
        {"kv_cache_memory": 2**30, "quantization": "bnb-4bit", "dtype": "float16"},
        {"cpu_offload_space": 2**20, "use_cuda_graph": True, "default_compile_level": 1},
    ],
)
def test_a_spec_tells_the_keys_that_it_was_made_of(keys: dict[str, Any]) -> None:
    """All that an engine is told; that it makes the same spec again is the proof."""
    spec = engine_spec("m", Model(**keys))
    model = machine.model_of(spec)
    assert engine_spec("m", model) == spec
    assert {name: getattr(model, name) for name in keys} == keys


def test_the_machine_tells_what_is_free() -> None:
    """Of its memory; of a device that it hasn't, nothing."""
    here = machine.ThisMachine("")
    assert (here.free("cpu") or 0) > 0
    assert here.free("cuda:99") is None
