"""A key that systemd hands to the daemon, which could not read its file."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from serve_daemon.config.api_keys import new_key
from system.machine import Machine
from system.service import UNIT, WAIT_SECONDS, Service

pytestmark = pytest.mark.system

CONFIG = '[keys.team]\ncredential = "api-keys"\n[models.m]\nsource = "fake:"\n'
FILE = "/etc/api-keys"


@pytest.fixture
def key(machine: Machine) -> Iterator[str]:
    """A key in a file that is root's alone, loaded by the unit."""
    key = new_key()
    machine.path(FILE).touch(0o600)
    machine.path(FILE).write_text(f"{key}\n")
    drop_in = machine.path("/run/systemd/system/serve-daemon.service.d/keys.conf")
    drop_in.write_text(f"[Service]\nLoadCredential=api-keys:{FILE}\n")
    machine.run("systemctl", "daemon-reload")
    yield key
    drop_in.unlink()
    machine.run("systemctl", "daemon-reload")


def status(service: Service, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{service.url}/v1/models", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_key_is_a_credential_of_the_unit(service: Service, machine: Machine, key: str) -> None:
    """Who has it is let in; outside of the unit the file can be checked all the same."""
    service.start(CONFIG)
    assert status(service, key) == 200
    assert status(service, new_key()) == 401
    checked = service.servectl("check", "--no-probe")
    assert "LoadCredential=api-keys:/PATH" in checked.stderr
    assert "no problem found, warnings: 1" in checked.stdout
    assert key not in machine.journal("-u", UNIT)


def test_a_credential_that_is_not_loaded_is_a_mistake(service: Service, machine: Machine) -> None:
    """The unit fails, and its journal says where and what to do."""
    service.write(CONFIG)
    assert service.systemctl("start", check=False).returncode != 0
    assert machine.show(UNIT, "ExecMainStatus") == ["78"]
    assert "/etc/serve.toml:8:14: keys.team.credential: " in machine.journal("-u", UNIT)
