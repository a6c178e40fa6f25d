"""The service in a systemd of its own, with fake engines: of the checkout, and of the package."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from system import packages
from system.machine import Machine, NoMachine, booted, missing
from system.packages import Place
from system.service import Service, free_port
from system.units import write_units

# Quick, for the tests of what happens then.
SOON = "WatchdogSec=3\nRestartSec=100ms\n"


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A machine whose units run the checkout."""
    if reason := missing():
        pytest.skip(reason)
    directory, port = tmp_path_factory.mktemp("units"), free_port()
    write_units(directory, port, SOON)
    try:
        with booted(directory) as machine:
            yield machine, port
    except NoMachine as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The package of the daemon, and that of its model."""
    if reason := packages.missing():
        pytest.skip(reason)
    if directory := os.environ.get(packages.BUILT):
        return packages.built(Path(directory))
    return packages.build(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="session")
def package(debs: list[Path]) -> Iterator[Place]:
    """A machine into which the packages are installed."""
    if reason := missing():
        pytest.skip(reason)
    port = free_port()
    try:
        with packages.empty_machine(port, SOON) as machine:
            packages.listen(machine, port)
            packages.install(machine, debs)
            machine.run("systemctl", "stop", "serve-daemon.service")
            yield machine, port
    except NoMachine as error:
        pytest.skip(str(error))


# Building and installing packages takes minutes, of the first test.
PATIENTLY = (pytest.mark.long, pytest.mark.timeout(3600))


@pytest.fixture(scope="session", params=["checkout", pytest.param("package", marks=PATIENTLY)])
def place(request: pytest.FixtureRequest) -> Place:
    """Whatever holds of one holds of the other."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def machine(place: Place) -> Machine:
    return place[0]


@pytest.fixture(scope="session")
def port(place: Place) -> int:
    return place[1]


@pytest.fixture
def service(machine: Machine, port: int) -> Iterator[Service]:
    """The service, not yet started."""
    each = Service(machine, port)
    yield each
    each.end()
