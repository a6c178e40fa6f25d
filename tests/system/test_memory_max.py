"""Each engine in a control group of its own: what it may take, and that it dies of that alone."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from system.machine import Machine
from system.service import UNIT, Service

pytestmark = pytest.mark.system

SLICE = "/sys/fs/cgroup/system.slice"
GROUPS = f"{SLICE}/{UNIT}"
MEBIBYTE = 2**20
LIMIT = 128 * MEBIBYTE
# A fake engine takes about 50 MiB; this one takes far more with the first token of its second
# request, but for the first time only.
GREEDY = 'source = "fake:swallow_on=2,swallow=1000,once=/var/lib/serve-daemon/swallowed"'
MODELS = f'[models.m]\n{GREEDY}\n[models.other]\nsource = "fake:text=count,token_delay=0.02"\n'


def files(machine: Machine, model: str) -> Path:
    """The directory of the control group of a model's only engine."""
    (group,) = machine.path(GROUPS).glob(f"engine-{model}-*")
    return group


@pytest.fixture
def bounded(machine: Machine) -> None:
    """Where the kernel bounds control groups of version 2: not if version 1 has the controllers."""
    controllers = machine.path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    if missing := {"cpu", "memory"} - set(controllers):
        pytest.skip(f"cgroup2 has no controller for {', '.join(sorted(missing))} here")


def test_every_process_is_in_a_group_that_says_whose_it_is(
    service: Service, machine: Machine
) -> None:
    """systemd-cgls shows the daemon, its gateway, and each model by its name."""
    service.start('[models.m]\nsource = "fake:"\n[models."org/big"]\nsource = "fake:"\n')
    shown = machine.run("systemd-cgls", "--no-pager", "--full", "--unit", UNIT).stdout
    names = [line.strip("│├└─ ") for line in shown.splitlines() if "/" not in line]
    programs = {name.rpartition("-")[0] or name for name in names if not name[0].isdigit()}
    assert programs == {"engine-m", "engine-org_big", "gateway", "supervisor"}
    assert files(machine, "m").joinpath("cgroup.procs").read_text().strip()
    assert machine.path(f"{GROUPS}/cgroup.procs").read_text() == ""


def test_a_group_is_gone_with_its_engine(service: Service, machine: Machine) -> None:
    """However it ended; its successor has another."""
    service.start('[models.m]\nsource = "fake:"\n')
    first = files(machine, "m")
    machine.run("kill", "-KILL", str(service.models()["m"]["pid"]))
    service.until(lambda: not first.exists())
    service.until(service.is_ready)
    assert files(machine, "m") != first


def test_engines_die_of_memory_before_gateways_and_those_before_the_daemon(
    service: Service, machine: Machine
) -> None:
    """By what the kernel goes by where the machine has none left."""
    service.start('[models.m]\nsource = "fake:"\n')
    status = service.status()
    pids = (service.models()["m"]["pid"], status["gateway"]["pid"], service.main_pid())
    scores = [int(machine.run("cat", f"/proc/{pid}/oom_score_adj").stdout) for pid in pids]
    assert scores[0] > scores[1] > scores[2]
    assert scores[0] == 200


def test_an_engine_that_takes_too_much_dies_alone(
    service: Service, machine: Machine, bounded: None
) -> None:
    """Its successor goes on with what it held; who streams from another model sees nothing."""
    service.start(f"{MODELS}memory_max = {LIMIT}\n".replace("[models.other]", LIMITED))
    before = service.models()
    with service.ask("count", model="other", stream=True, max_tokens=200) as stream:
        streamed = [stream.readline()]
        reading = threading.Thread(target=lambda: streamed.extend(stream.readlines()))
        reading.start()
        assert [service.answer("first"), service.answer("second")] == ["first", "second"]
        assert reading.is_alive()
        reading.join()
    assert text_of(streamed) == "".join(f"{number} " for number in range(1, 200))[:200]
    after = service.models()
    assert after["other"]["pid"] == before["other"]["pid"]
    assert (after["m"]["state"], after["m"]["restarts"]) == ("ready", 1)
    assert after["m"]["last_exit"]["result"] == "oom"
    assert "memory_max of 128.0MiB" in after["m"]["last_exit"]["message"]
    assert machine.show(UNIT, "NRestarts", "ActiveState") == ["0", "active"]


LIMITED = f"memory_max = {LIMIT}\n[models.other]"


def text_of(lines: list[bytes]) -> str:
    """What a stream of a chat completion has said."""
    events = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: {")]
    chunks: list[dict[str, Any]] = [json.loads(event) for event in events]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)
