"""The Debian packages, built from the checkout and installed into a systemd of its own."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from system.machine import CHECKOUT, PROGRAMS, Machine, booted
from system.units import TARGET

Place = tuple[Machine, int]  # where a service runs, and the port of its API

# Where a folder of packages that are built already is named.
BUILT = "SERVE_TEST_PACKAGES"
BUILD_SECONDS = 1800.0
INSTALL_SECONDS = 900.0
COMMANDS = Path("/usr/bin")
WRITTEN = ("/usr", "/var/lib", "/var/cache")
QUIETLY = ("env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
PORT_FILE = "/etc/serve.toml.d/50-port.toml"

# What tests run under lies in the checkout, which the unit hides where it is below a home.
DROP_IN = f"""
[Service]
ProtectHome=tmpfs
BindReadOnlyPaths={" ".join(PROGRAMS)}
"""


def missing() -> str:
    """What this host lacks for building packages; "" if nothing."""
    tools = ("make", "dh", "dpkg-buildpackage", "lintian", "scdoc", "unzip")
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


def build(directory: Path) -> list[Path]:
    """Build the packages in `directory`: the daemon, then its model."""
    where = [f"BUILD={directory}/build", f"DIST={directory}"]
    command = ["make", "--directory", str(CHECKOUT), *where, "deb"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return built(directory)


def built(directory: Path) -> list[Path]:
    """The packages in `directory`."""
    names = ("serve-daemon_*.deb", "serve-daemon-model-smollm2_*.deb")
    return [path.resolve() for name in names for path in directory.glob(name)]


def write_units(directory: Path, port: int, more: str = "") -> None:
    """What the machine has beside the package's units, so that it listens on `port`."""
    socket = directory / "serve-daemon.socket.d/test.conf"
    service = directory / "serve-daemon.service.d/test.conf"
    for path in (socket, service):
        path.parent.mkdir()
    socket.write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")
    service.write_text(f"{DROP_IN}{more}")
    (directory / "test.target").write_text(TARGET)


@contextlib.contextmanager
def empty_machine(port: int, more: str = "") -> Iterator[Machine]:
    """A machine into which packages can be installed. Raises `NoMachine` where there can be none.

    Where they listen by default others may listen, as its network is the host's: an administrator
    has said elsewhere, before.
    """
    with tempfile.TemporaryDirectory() as units:
        write_units(Path(units), port, more)
        with booted(Path(units), overlaid=WRITTEN) as machine:
            # Images of containers have it: no package may start a service there.
            machine.path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
            yield replace(machine, commands=COMMANDS)


def listen(machine: Machine, port: int) -> None:
    """Say in a drop-in of the administrator's where the API is."""
    file = machine.path(PORT_FILE)
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'[server]\nlisten = ["127.0.0.1:{port}"]\n')


def install(machine: Machine, debs: Sequence[Path]) -> None:
    """Install packages, from a place that the machine sees."""
    inside = [f"/run/{deb.name}" for deb in debs]
    for deb, path in zip(debs, inside, strict=True):
        shutil.copyfile(deb, machine.path(path))
    dpkg(machine, "--install", *inside)
    for path in inside:
        machine.path(path).unlink()


def dpkg(machine: Machine, *arguments: str) -> None:
    """Run dpkg inside, which asks nothing."""
    machine.run(*QUIETLY, "dpkg", "--force-unsafe-io", *arguments, seconds=INSTALL_SECONDS)
