"""The memory of the machine, as far as anybody can tell."""

import pytest

from serve_daemon.gateway.ui import machine
from serve_daemon.gateway.ui.machine import Device, devices


async def test_a_device_that_nobody_can_tell_of_is_left_out() -> None:
    """As a GPU that is not there; the main memory always is, and nothing that is no device."""
    (found,) = await devices(["auto", "cuda:99", "cpu"])
    assert found.name == "cpu"
    assert 0 < found.free <= found.total


async def test_each_gpu_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, after the main memory."""
    memory = {"cpu": (8, 3), "cuda:0": (80, 70), "cuda:1": (80, 60)}
    monkeypatch.setattr(machine, "total_bytes", lambda name: memory[name][0])
    monkeypatch.setattr(machine, "free_bytes", lambda name: memory[name][1])
    found = await devices(["cuda:1", "cuda:0", "cuda:1", "auto"])
    assert found == [Device(name, *sizes) for name, sizes in memory.items()]
