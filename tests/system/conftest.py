"""The service in a systemd of its own, with fake engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from system.machine import Machine, NoMachine, booted, missing
from system.service import Service, free_port
from system.units import write_units

# Quick, for the tests of what happens then.
SOON = "WatchdogSec=3\nRestartSec=100ms\n"


@pytest.fixture(scope="session")
def port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def units(tmp_path_factory: pytest.TempPathFactory, port: int) -> Path:
    directory = tmp_path_factory.mktemp("units")
    write_units(directory, port, SOON)
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
