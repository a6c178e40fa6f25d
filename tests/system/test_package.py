"""The Debian packages: what is in them, what installing them does, and what is left of it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from system import packages
from system.machine import CHECKOUT, Machine, NoMachine, missing
from system.packages import Place
from system.service import UNIT, Service, free_port

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(3600)]

ENGINE_FILE = "/etc/serve.toml.d/60-engine.toml"
MODEL = "/usr/share/serve-daemon/models/SmolLM2-135M-Instruct.Q4_1.gguf"
FIRST_START_SECONDS = 300.0
LOOKED_AT = ("/etc", "/usr", "/var/lib", "/var/cache", "/run")
# What dpkg keeps of every package for ever, what systemd keeps of itself, and the caches of others.
KEPT_BY_OTHERS = (
    *("/etc/.pwd.lock", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-"),
    *("/var/lib/dpkg/", "/var/lib/systemd/", "/var/cache/man/", "/var/cache/debconf/"),
    *("/run/systemd/", "/run/overlaid/", "/run/kept/", "/run/etc/", "/run/log/", "/run/dbus/"),
    "/run/user",
)


def shipped(deb: Path, name: str) -> str:
    """A file of a package."""
    archive = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True
    ).stdout
    return subprocess.run(
        ["tar", "--extract", "--to-stdout", f".{name}"],
        input=archive,
        check=True,
        capture_output=True,
    ).stdout.decode()


@pytest.fixture
def installed(package: Place, debs: list[Path]) -> Iterator[Service]:
    """The service as it is installed, with its own file and an environment for engines."""
    machine, port = package
    machine.path("/etc/serve.toml").write_text(shipped(debs[0], "/etc/serve.toml"))
    machine.path(ENGINE_FILE).write_text(f'[engine]\npython = "{sys.executable}"\n')
    service = Service(machine, port)
    yield service
    service.end()
    machine.path(ENGINE_FILE).unlink()


@pytest.fixture
def new_machine() -> Iterator[Machine]:
    """A machine without the packages."""
    if reason := missing():
        pytest.skip(reason)
    try:
        with packages.empty_machine(free_port()) as machine:
            yield machine
    except NoMachine as error:
        pytest.skip(str(error))


def respond(service: Service, **fields: Any) -> Any:
    """What /v1/responses answers."""
    request = urllib.request.Request(
        f"{service.url}/v1/responses",
        data=json.dumps(fields).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=FIRST_START_SECONDS) as answer:
        return json.load(answer)


def text_of(response: Any) -> str:
    (message,) = response["output"]
    return str(message["content"][0]["text"])


def test_lintian_finds_nothing(debs: list[Path]) -> None:
    """Neither errors nor warnings."""
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"]
    done = subprocess.run([*command, *debs], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_version_is_that_of_the_code(debs: list[Path]) -> None:
    """The packages' changelog and the code are released together."""
    for deb in debs:
        fields = ["dpkg-deb", "--field", str(deb), "Version"]
        said = subprocess.run(fields, capture_output=True, text=True, check=True).stdout
        version = (CHECKOUT / "daemon/serve_daemon/__init__.py").read_text()
        assert f'__version__ = "{said.strip()}"' in version


def test_no_file_knows_where_it_was_made(package: Place) -> None:
    """An environment lies at one place when it is made and at another when it is used."""
    machine, _ = package
    found = machine.run(
        *("grep", "-rlI", "debian/serve-daemon/usr", "/usr/lib/serve-daemon"), check=False
    )
    assert (found.returncode, found.stdout) == (1, "")


def test_pytorch_comes_from_elsewhere(package: Place) -> None:
    """What the daemon needs of Python is there, and no more."""
    machine, _ = package
    python = ("/usr/lib/serve-daemon/venv/bin/python", "-I", "-c")
    assert machine.run(*python, "import numpy, granian, serve_daemon.gateway.program").stderr == ""
    refused = machine.run(*python, "import torch", check=False)
    assert "No module named 'torch'" in refused.stderr


def test_systemd_takes_the_installed_units(package: Place) -> None:
    """The commands, the manual and the directories that they name are there."""
    machine, _ = package
    for unit in (UNIT, "serve-daemon.socket"):
        done = machine.run("systemd-analyze", "verify", "--recursive-errors=no", unit, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.run("systemctl", "is-enabled", UNIT).stdout == "enabled\n"
    socket = machine.run("systemctl", "is-enabled", "serve-daemon.socket", check=False)
    assert socket.stdout == "disabled\n"


def test_what_is_installed_answers(installed: Service) -> None:
    """`systemctl start` returns, and the default model of the default file answers."""
    installed.systemctl("start")
    assert installed.machine.show(UNIT, "ActiveState", "SubState") == ["active", "running"]
    fields = {"input": "Name the capital of France.", "temperature": 0, "max_output_tokens": 20}
    response = respond(installed, model="default", **fields)
    assert "Paris" in text_of(response)
    assert installed.models()["smollm2"]["source"] == MODEL


def test_engines_are_installed_by_what_the_package_has(package: Place) -> None:
    """Its servectl finds a pip; what is not there is refused, and leaves nothing."""
    machine, _ = package
    directory = "/var/lib/serve-daemon/engine"
    machine.run("mkdir", "-p", "/run/wheels")
    command = ("servectl", "engine", "install", "--wheelhouse", "/run/wheels")
    done = machine.run(*command, check=False)
    assert (done.returncode, "pip has failed" in done.stderr) == (1, True)
    assert "No matching distribution found" in done.stderr
    assert machine.run("ls", "-A", directory).stdout == ".lock\n"
    assert machine.run("stat", "--format=%U", directory).stdout == "root\n"


def test_a_model_is_added_by_an_edit(installed: Service) -> None:
    """Edit /etc/serve.toml, `systemctl reload`: the model is there, and the other one stays."""
    installed.systemctl("start")
    installed.until(installed.is_ready, FIRST_START_SECONDS)
    before = installed.models()["smollm2"]["pid"]
    with installed.machine.path("/etc/serve.toml").open("a") as file:
        file.write(f'\n[models.second]\nsource = "{MODEL}"\nengine = "compiled"\n')
    installed.systemctl("reload")
    response = respond(installed, model="second", input="Say hello.", max_output_tokens=8)
    assert text_of(response)
    assert installed.models()["smollm2"]["pid"] == before


def test_a_mistake_in_the_installed_file_is_told(installed: Service) -> None:
    """`systemctl reload` fails, and `systemctl status` says where the mistake is."""
    installed.systemctl("start")
    file = installed.machine.path("/etc/serve.toml")
    text = file.read_text().replace("#max_requests = 32", 'max_requests = "many"')
    line = next(n for n, each in enumerate(text.splitlines(), 1) if each.startswith("max_requests"))
    file.write_text(text)
    assert installed.systemctl("reload", check=False).returncode != 0
    told = installed.machine.run("systemctl", "status", "--no-pager", "--full", UNIT).stdout
    assert f"/etc/serve.toml:{line}:16: models.smollm2.max_requests: " in told
    assert installed.machine.show(UNIT, "ActiveState") == ["active"]


def files(machine: Machine) -> set[str]:
    """Every path of the machine that a package may have made."""
    found = machine.run("find", *LOOKED_AT, "-print").stdout.splitlines()
    return {path for path in found if not path.startswith(KEPT_BY_OTHERS)}


def test_a_purge_leaves_nothing(new_machine: Machine, debs: list[Path]) -> None:
    """From the first start, which says what it lacks, to a machine as it was before.

    Removing alone keeps what is configured.
    """
    before, port = files(new_machine), free_port()
    packages.listen(new_machine, port)
    packages.install(new_machine, debs)
    service = Service(new_machine, port)
    service.until(lambda: service.models()["smollm2"]["state"] == "failed")
    assert "servectl engine install" in service.models()["smollm2"]["reason"]
    assert [each["id"] for each in service.get("/v1/models")["data"]] == ["smollm2"]

    packages.dpkg(new_machine, "--remove", "serve-daemon", "serve-daemon-model-smollm2")
    assert new_machine.path("/etc/serve.toml").exists()
    assert new_machine.path(packages.PORT_FILE).exists()
    packages.dpkg(new_machine, "--purge", "serve-daemon", "serve-daemon-model-smollm2")
    assert files(new_machine) - before == set()
