"""The unit files as systemd's own tools judge them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from system.machine import CHECKOUT

UNITS = CHECKOUT / "packaging/systemd"

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The unit files, their commands replaced by one that is there."""
    for unit in UNITS.iterdir():
        text = unit.read_text()
        for command in ("serve-daemon", "servectl"):
            text = text.replace(f"=/usr/bin/{command}", "=/bin/true")
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("unit", [path.name for path in sorted(UNITS.iterdir())])
def test_a_unit_has_no_fault(units: Path, unit: str) -> None:
    """No unknown key, no wrong value: systemd says nothing."""
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(units / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_service_is_confined(units: Path) -> None:
    """A daemon that runs strangers' weights may do little to the machine."""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager"]
    done = subprocess.run(
        [*command, str(units / "serve-daemon.service")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
