"""What a bug report tells of the machine: hardware, limits, packages, the unit. Read, not run."""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from serve_daemon.config import free_memory
from serve_daemon.config.probe import package_directories

UNIT = "serve-daemon.service"
UNIT_TIMEOUT_SECONDS = 10.0
# Of these the values are told, of others that matter the names alone.
TOLD_VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HF_HOME"),
    *("HF_HUB_CACHE", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX", "LANG"),
)
NAMED_PREFIXES = ("SERVE_", "HF_", "TRANSFORMERS_", "TORCH", "CUDA_", "NVIDIA_", "OMP_", "MKL_")
# None that can hold a secret, as Environment= may.
UNIT_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "Result", "StatusText", "NRestarts", "Type"),
    *("FragmentPath", "DropInPaths", "UnitFileState", "MainPID", "ExecMainStatus", "Delegate"),
    *("MemoryCurrent", "MemoryMax", "MemoryHigh", "MemoryPeak", "CPUWeight", "CPUQuotaPerSecUSec"),
    *("TasksMax", "LimitNOFILE", "WatchdogUSec", "TimeoutStartUSec", "TimeoutStopUSec"),
    *("DevicePolicy", "DeviceAllow", "OOMPolicy", "ProtectHome", "ProtectSystem", "User", "Group"),
)
CGROUP_FILES = (
    *("memory.max", "memory.high", "memory.current", "memory.peak", "memory.events"),
    *("cpu.max", "cpu.weight", "cpuset.cpus.effective", "pids.max", "pids.current"),
)
CGROUPS = Path("/sys/fs/cgroup")


def system() -> dict[str, Any]:
    """Versions, without the name of the machine."""
    told = platform.uname()
    return {
        "kernel": f"{told.system} {told.release} {told.version}",
        "machine": told.machine,
        "os": _os_release(),
        "python": sys.version,
        "glibc": " ".join(platform.libc_ver()),
    }


def hardware() -> dict[str, Any]:
    cpus = _lines(Path("/proc/cpuinfo"))
    described = dict(line.split(":", 1) for line in cpus if ":" in line)
    facts = {name.strip(): value.strip() for name, value in described.items()}
    return {
        "cpu": facts.get("model name", ""),
        "cpu_flags": facts.get("flags", facts.get("Features", "")),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory": free_memory.total_host_bytes(),
        "free_memory": free_memory.free_host_bytes(),
        "nvidia_driver": "\n".join(_lines(Path("/proc/driver/nvidia/version"))),
        "gpus": list(_gpus()),
    }


def limits(pid: int) -> str:
    """The control groups that a process is in, from the inside outwards, and its own limits."""
    lines = [f"process {pid}", *_lines(Path(f"/proc/{pid}/limits"))]
    for line in _lines(Path(f"/proc/{pid}/cgroup")):
        lines += ["", line]
        path = line.split(":", 2)[2].lstrip("/")
        inner = CGROUPS / path
        for folder in (inner, *(each for each in inner.parents if each.is_relative_to(CGROUPS))):
            for name in CGROUP_FILES:
                lines += [f"{folder / name}: {text}" for text in _lines(folder / name)]
    return "\n".join(lines)


def variables(pid: int) -> str:
    """Those of a process that matter: their names, and the values of some."""
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError as error:
        return f"not to be read: {error.strerror}; run this as root for them"
    entries = [each.decode(errors="replace") for each in content.split(b"\0") if each]
    return "\n".join(sorted(filter(None, map(_variable, entries))))


def packages(python: str) -> str:
    """Those of the environment of an interpreter, "" our own; one a line, as pip freezes them."""
    folders = sys.path if python in {"", sys.executable} else _folders(python)
    found = {
        f"{each.metadata['Name']}=={each.version}" for each in distributions(path=list(folders))
    }
    return "\n".join([python or sys.executable, *sorted(found, key=str.lower)])


def unit() -> str:
    """Properties of the system's unit; "" where systemd has none."""
    command = ["systemctl", "show", UNIT, *(f"--property={each}" for each in UNIT_PROPERTIES)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=UNIT_TIMEOUT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if "LoadState=loaded" in done.stdout else ""


def _variable(entry: str) -> str:
    name, _, value = entry.partition("=")
    if name in TOLD_VARIABLES:
        return f"{name}={value}"
    return name if name.startswith(NAMED_PREFIXES) else ""


def _folders(python: str) -> Iterator[str]:
    yield from map(str, package_directories(Path(python).parent.parent))


def _os_release() -> str:
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return ""


def _gpus() -> Iterator[dict[str, Any]]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            name = pynvml.nvmlDeviceGetName(handle)
            yield {"name": str(name), "memory": int(memory.total), "free": int(memory.free)}
    except pynvml.NVMLError:  # a device that is lost: the driver's version says the rest
        return
    finally:
        pynvml.nvmlShutdown()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
