"""Each engine in a control group of its own: what it may take, and that it dies of that alone."""

import json
import re
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
ENDLESS = 'source = "fake:text=count,token_delay=0.02,context=100000"'
MODELS = (
    f"[models.greedy]\n{GREEDY}\nmemory_max = {LIMIT}\n"
    f"[models.other]\n{ENDLESS}\nmemory_max = {LIMIT}\n"
)


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
    shown = machine.run("systemd-cgls", "--no-pager", "--unit", UNIT).stdout
    found = re.findall(r"─(engine-\S+|gateway|supervisor)", shown.replace("gateway-", "gateway "))
    assert {re.sub(r"-e\d+$", "", name) for name in found} == {
        *("engine-m", "engine-org_big", "gateway", "supervisor")
    }
    assert files(machine, "m").joinpath("cgroup.procs").read_text().strip()
    assert machine.path(f"{GROUPS}/cgroup.procs").read_text() == ""


def test_a_group_is_gone_with_its_engine(service: Service, machine: Machine) -> None:
    """However it ended; its successor has another."""
    service.start('[models.killed]\nsource = "fake:"\n')
    first = files(machine, "killed")
    machine.run("kill", "-KILL", str(service.models()["killed"]["pid"]))
    service.until(lambda: not first.exists())
    service.until(service.is_ready)
    assert files(machine, "killed") != first


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
    service.start(MODELS)
    before = service.models()
    with service.ask("count", model="other", stream=True, max_tokens=100_000) as stream:
        reader = Reader(stream)
        answers = [answer(service, text) for text in ("first", "second")]
        read = len(reader.lines)
        service.until(lambda: len(reader.lines) > read)
        reader.stop()
    assert answers == ["first", "second"]
    streamed = text_of(reader.lines)
    assert "".join(f"{number} " for number in range(1, 100_000)).startswith(streamed)
    after = service.models()
    assert after["other"]["pid"] == before["other"]["pid"]
    assert (after["greedy"]["state"], after["greedy"]["restarts"]) == ("ready", 1)
    assert after["greedy"]["last_exit"]["result"] == "oom"
    assert "memory_max of 128.0MiB" in after["greedy"]["last_exit"]["message"]
    assert machine.show(UNIT, "NRestarts", "ActiveState") == ["0", "active"]


def test_a_model_that_always_takes_too_much_fails_for_that_reason(
    service: Service, bounded: None
) -> None:
    """Once it has been tried often enough; the other one serves."""
    greedy = f'source = "fake:swallow=1000"\nmemory_max = {LIMIT}\nstart_limit = 2'
    service.write(f'[models.m]\nsource = "fake:"\n[models.greedy]\n{greedy}\n')
    service.systemctl("start")
    service.until(lambda: service.models()["greedy"]["state"] == "failed")
    failed = service.models()["greedy"]
    assert failed["reason"].startswith("oom: it took more than its memory_max of 128.0MiB; raise")
    assert (failed["memory_max"], failed["restarts"]) == (LIMIT, 1)
    assert service.answer("all the same") == "all the same"


def test_what_an_engine_may_take_changes_while_it_runs(
    service: Service, machine: Machine, bounded: None
) -> None:
    """By a reload, without another engine."""
    service.start(f'[models.m]\nsource = "fake:"\nmemory_max = {LIMIT}\ncpu_weight = 50\n')
    before, group = service.models()["m"]["pid"], files(machine, "m")
    assert group.joinpath("memory.max").read_text() == f"{LIMIT}\n"
    assert group.joinpath("cpu.weight").read_text() == "50\n"
    service.write('[models.m]\nsource = "fake:"\ncpu_weight = 300\n')
    service.systemctl("reload")
    assert group.joinpath("memory.max").read_text() == "max\n"
    assert group.joinpath("cpu.weight").read_text() == "300\n"
    assert service.models()["m"]["pid"] == before


class Reader(threading.Thread):
    """Reads a stream, as a client that is not to be cancelled must, until it is stopped."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self.lines: list[bytes] = []
        self._stream = stream
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        for line in iter(self._stream.readline, b""):
            self.lines.append(line)
            if self._stopped.is_set():
                return

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def answer(service: Service, text: str) -> str:
    with service.ask(text, model="greedy") as response:
        return str(json.load(response)["choices"][0]["message"]["content"])


def text_of(lines: list[bytes]) -> str:
    """What a stream of a chat completion has said."""
    events = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: {")]
    chunks: list[dict[str, Any]] = [json.loads(event) for event in events]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)
