"""The most memory that this process has had so far."""

import os
from functools import cache
from pathlib import Path


def peak_bytes(device: str) -> int:
    """On the device that it computes on: "cpu" or "cuda:N"."""
    return _host_peak_bytes() if device == "cpu" else _gpu_peak_bytes(device)


def context_bytes(device: str) -> dict[str, int]:
    """What an engine takes of a GPU without a model, by the kind of device; nothing on a CPU."""
    return {} if device == "cpu" else {"cuda": _context_bytes(device)}


def _host_peak_bytes() -> int:
    """Files that are mapped count as far as they are in memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    return 0


def _gpu_peak_bytes(device: str) -> int:
    import torch

    return torch.cuda.max_memory_reserved(device) + _context_bytes(device)


@cache
def _context_bytes(device: str) -> int:
    """What CUDA and its libraries took beside torch's allocator; 0 where the driver can't tell."""
    import pynvml
    import torch

    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        processes = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except pynvml.NVMLError:
        return 0
    used = {each.pid: each.usedGpuMemory or 0 for each in processes}
    return max(used.get(os.getpid(), 0) - torch.cuda.memory_reserved(device), 0)
