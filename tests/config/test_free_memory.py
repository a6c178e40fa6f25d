"""How much memory is free, by the kernel's files laid out as different machines have them."""

from pathlib import Path

import pytest

from serve_daemon.config.free_memory import (
    free_bytes,
    free_host_bytes,
    total_bytes,
    total_host_bytes,
)

MIB = 1024 * 1024
V2_MOUNT = "30 23 0:26 {shown} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw"
V1_MOUNTS = (
    "35 31 0:32 {shown} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd"
)


def machine(root: Path, cgroup: str = "", mounts: str = "") -> Path:
    """1000 MiB, of which 600 are available."""
    own = root / "proc/self"
    own.mkdir(parents=True)
    meminfo = f"MemTotal: {1000 * 1024} kB\nMemFree: 1 kB\nMemAvailable: {600 * 1024} kB\n"
    (root / "proc/meminfo").write_text(meminfo)
    (own / "cgroup").write_text(cgroup)
    (own / "mountinfo").write_text(mounts)
    return root


def v2_group(folder: Path, limit: object, used: int = 0, inactive: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 7\ninactive_file {inactive}\n")


def v1_group(folder: Path, limit: int, used: int = 0, inactive: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{used}\n")
    stat = f"inactive_file 1\ntotal_inactive_file {inactive}\n"
    (folder / "memory.stat").write_text(stat)


def test_a_machine_without_limits(tmp_path: Path) -> None:
    """What the kernel calls available, which counts what it can drop."""
    root = machine(tmp_path, "0::/\n", V2_MOUNT.format(shown="/"))
    assert free_host_bytes(root) == 600 * MIB
    assert total_host_bytes(root) == 1000 * MIB


def test_a_unit_with_a_limit(tmp_path: Path) -> None:
    """Version 2: files that nobody has used for long count as free."""
    root = machine(tmp_path, "0::/system.slice/a.service\n", V2_MOUNT.format(shown="/"))
    v2_group(root / "sys/fs/cgroup/system.slice/a.service", 500 * MIB, 300 * MIB, 100 * MIB)
    assert free_host_bytes(root) == 300 * MIB
    assert total_host_bytes(root) == 500 * MIB


def test_the_tightest_group_decides(tmp_path: Path) -> None:
    """A limit of a slice holds for all within; "max" is no limit."""
    root = machine(tmp_path, "0::/a.slice/b.service\n", V2_MOUNT.format(shown="/"))
    v2_group(root / "sys/fs/cgroup/a.slice", 400 * MIB, 350 * MIB)
    v2_group(root / "sys/fs/cgroup/a.slice/b.service", "max", 100 * MIB)
    assert free_host_bytes(root) == 50 * MIB
    assert total_host_bytes(root) == 400 * MIB


def test_a_container_sees_its_own_group_as_the_top(tmp_path: Path) -> None:
    """Its path is told as the host knows it, and only the part below is mounted."""
    root = machine(tmp_path, "0::/docker/abc/inner\n", V2_MOUNT.format(shown="/docker/abc"))
    v2_group(root / "sys/fs/cgroup", 200 * MIB, 50 * MIB)
    v2_group(root / "sys/fs/cgroup/inner", "max", 10 * MIB)
    assert free_host_bytes(root) == 150 * MIB


def test_the_first_version_of_control_groups(tmp_path: Path) -> None:
    """Its files have other names, and its unlimited is a number."""
    cgroup = "9:name=systemd:/x\n4:memory:/x/y\n0::/\n"
    root = machine(tmp_path, cgroup, V1_MOUNTS.format(shown="/"))
    v1_group(root / "sys/fs/cgroup/memory", 9223372036854771712)
    v1_group(root / "sys/fs/cgroup/memory/x/y", 300 * MIB, 250 * MIB, 150 * MIB)
    assert free_host_bytes(root) == 200 * MIB


def test_more_in_use_than_the_limit(tmp_path: Path) -> None:
    """As after a limit was lowered: nothing is free."""
    root = machine(tmp_path, "0::/a\n", V2_MOUNT.format(shown="/"))
    v2_group(root / "sys/fs/cgroup/a", 10 * MIB, 20 * MIB)
    assert free_host_bytes(root) == 0


def test_a_kernel_that_tells_nothing(tmp_path: Path) -> None:
    """Nobody can tell."""
    assert free_host_bytes(tmp_path) is None
    assert total_host_bytes(tmp_path) is None


@pytest.mark.parametrize("device", ["cuda:99", "cuda:x"])
def test_a_device_that_is_not_there(device: str) -> None:
    """Whether or not there is a driver."""
    assert free_bytes(device) is None
    assert total_bytes(device) is None


def test_this_machine() -> None:
    """Something is free, and less than all."""
    free, total = free_bytes("cpu"), total_host_bytes()
    assert total_bytes("cpu") == total
    assert free is not None
    assert total is not None
    assert 0 < free < total
