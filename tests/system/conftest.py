"""The service in a systemd of its own, with fake engines."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from system.machine import CHECKOUT, PROGRAMS, Machine, NoMachine, booted, missing
from system.service import Service, free_port

COMMANDS = Path(sys.executable).parent

TARGET = """
[Unit]
Description=What the tests need
Wants=systemd-journald.service
"""

# The commands from where they are installed, wherever that is: the unit hides home directories.
DROP_IN = f"""
[Service]
ExecStart=
ExecStart={COMMANDS}/serve-daemon
ExecReload=
ExecReload={COMMANDS}/servectl reload
ProtectHome=tmpfs
BindReadOnlyPaths={" ".join(PROGRAMS)}
WatchdogSec=3
RestartSec=100ms
"""


@pytest.fixture(scope="session")
def port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def units(tmp_path_factory: pytest.TempPathFactory, port: int) -> Path:
    """The units as they are shipped, and what it takes to run them here."""
    directory = tmp_path_factory.mktemp("units")
    for unit in (CHECKOUT / "packaging/systemd").iterdir():
        (directory / unit.name).write_text(unit.read_text().replace(":8000", f":{port}"))
    (directory / "test.target").write_text(TARGET)
    drop_ins = directory / "serve-daemon.service.d"
    drop_ins.mkdir()
    (drop_ins / "test.conf").write_text(DROP_IN)
    return directory


@pytest.fixture(scope="session")
def machine(units: Path) -> Iterator[Machine]:
    if reason := missing():
        pytest.skip(reason)
    try:
        with booted(units) as each:
            yield each
    except NoMachine as error:
        pytest.skip(str(error))


@pytest.fixture
def service(machine: Machine, port: int) -> Iterator[Service]:
    """The service, not yet started."""
    each = Service(machine, port)
    yield each
    each.end()
