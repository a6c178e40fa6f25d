"""What engines would take of this machine."""

from pathlib import Path

import pytest

from serve_daemon.config.probe import Device, Probe, store
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.machine import ThisMachine, device_of

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
    assert device_of(asked, probe(*devices)) == device


def test_nothing_is_known_before_the_machine_is_probed(tmp_path: Path) -> None:
    """And all from then on, without a restart."""
    machine = ThisMachine(str(tmp_path), lambda: "")
    assert (machine.device(Model()), machine.estimate(Model())) == (None, None)
    store(str(tmp_path), "", probe(CPU))
    assert machine.device(Model()) == "cpu"


def test_the_machine_tells_what_is_free() -> None:
    """Of its memory; of a device that it hasn't, nothing."""
    machine = ThisMachine("", lambda: "")
    assert (machine.free("cpu") or 0) > 0
    assert machine.free("cuda:99") is None
