"""The unit files as they are shipped, with what it takes to run them from a checkout."""

import shutil
import sys
from pathlib import Path

from system.machine import CHECKOUT, PROGRAMS

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
"""


def write_units(directory: Path, port: int, more: str = "") -> None:
    """The units that listen on `port`; `more` are further lines of the service."""
    shutil.copytree(CHECKOUT / "packaging/systemd", directory, dirs_exist_ok=True)
    (directory / "serve-daemon.service.d/gpu.conf").unlink()  # the strictest unit that there is
    socket = directory / "serve-daemon.socket"
    socket.write_text(socket.read_text().replace(":8000", f":{port}"))
    (directory / "test.target").write_text(TARGET)
    (directory / "serve-daemon.service.d/test.conf").write_text(f"{DROP_IN}{more}")
