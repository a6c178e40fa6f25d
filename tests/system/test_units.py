"""The unit files as systemd's own tools judge them, and the scripts as a linter does."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from system.machine import CHECKOUT

UNITS = CHECKOUT / "packaging/systemd"
SERVICE = "serve-daemon.service"
GPU = f"{SERVICE}.d/gpu.conf"

needs_analysis = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The unit files with their drop-ins, their commands replaced by one that is there."""
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    service = tmp_path / SERVICE
    service.write_text(re.sub(r"=/usr/bin/\S+", "=/bin/true", service.read_text()))
    return tmp_path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_analysis
@pytest.mark.parametrize("has_gpu", [True, False])
@pytest.mark.parametrize("unit", [path.name for path in sorted(UNITS.iterdir()) if path.is_file()])
def test_a_unit_has_no_fault(units: Path, unit: str, *, has_gpu: bool) -> None:
    """No unknown key, no wrong value: systemd says nothing, of the drop-in neither."""
    if not has_gpu:
        (units / GPU).unlink()
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(units / unit))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_analysis
def test_a_fault_in_a_drop_in_would_be_seen(units: Path) -> None:
    """Else the silence above says nothing of it."""
    (units / GPU).write_text("[Service]\nDeviceAllowed=char-nvidia* rw\n")
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(units / SERVICE))
    assert "DeviceAllowed" in done.stderr


@needs_analysis
@pytest.mark.parametrize("has_gpu", [True, False])
def test_the_service_is_confined(units: Path, *, has_gpu: bool) -> None:
    """A daemon that runs strangers' weights may do little to the machine: 2.0 or less of 10."""
    if not has_gpu:
        (units / GPU).unlink()
    unit = str(units / SERVICE)
    done = analyze("security", "--offline=true", "--threshold=20", "--no-pager", unit)
    assert done.returncode == 0, done.stdout
    assert ("PrivateDevices=" in _faults(done.stdout)) is has_gpu


def _faults(table: str) -> str:
    return "\n".join(line for line in table.splitlines() if line.startswith("✗"))


def test_every_device_is_let_in_by_the_drop_in_alone() -> None:
    """Who masks it has a service without devices."""
    assert "\nPrivateDevices=yes\n" in (UNITS / SERVICE).read_text()
    assert "DeviceAllow=" not in (UNITS / SERVICE).read_text()
    assert "\nDeviceAllow=char-nvidia* rw\n" in (UNITS / GPU).read_text()


def _scripts() -> list[str]:
    """Every file of the repository that a shell of POSIX, or bash, is to run."""
    listed = subprocess.run(
        ["git", "-C", str(CHECKOUT), "ls-files"], capture_output=True, text=True, check=True
    )
    files = [CHECKOUT / name for name in listed.stdout.splitlines()]
    return [str(each) for each in files if each.is_file() and _is_script(each)]


def _is_script(file: Path) -> bool:
    with file.open("rb") as opened:
        return bool(re.match(rb"#! ?/(usr/)?bin/(env )?(ba|da)?sh\b", opened.readline()))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_have_no_fault() -> None:
    """Of all shell scripts that are committed."""
    scripts = _scripts()
    assert str(CHECKOUT / "tests/system/boot.sh") in scripts
    done = subprocess.run(
        ["shellcheck", "--external-sources", *scripts], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
