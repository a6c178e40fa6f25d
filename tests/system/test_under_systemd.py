"""serve-daemon under a real systemd."""

import asyncio
import json
import threading
from typing import Any

import pytest

from chaos.clients import Clients
from chaos.questions import Question
from chaos.restarts import RESTARTS
from chaos.script import Script, drawn
from chaos.tally import Tally
from system.machine import Machine
from system.service import SOCKET_UNIT, UNIT, Service

pytestmark = pytest.mark.system

MODEL = '[models.m]\nsource = "fake:"\n'
SLOW = '[models.m]\nsource = "fake:text=count,token_delay=0.05"\n'


def test_a_start_ends_when_the_api_accepts(service: Service, machine: Machine) -> None:
    """`systemctl start` returns, and the next request is answered."""
    service.write(MODEL)
    service.systemctl("start")
    assert service.get("/health")
    assert machine.show(UNIT, "ActiveState", "SubState") == ["active", "running"]
    assert service.answer("hello") == "hello"


def test_the_status_line_says_how_the_models_are(service: Service, machine: Machine) -> None:
    """`systemctl status` has the state of each."""
    service.start(MODEL)
    service.until(lambda: "m: ready" in machine.show(UNIT, "StatusText")[0])
    assert "gateway: ready" in machine.show(UNIT, "StatusText")[0]


def test_a_good_reload_succeeds_and_keeps_what_is_unchanged(service: Service) -> None:
    """`systemctl reload` waits for the outcome."""
    service.start(MODEL)
    main, before = service.main_pid(), service.models()["m"]["pid"]
    service.write(MODEL + '[models.second]\nsource = "fake:load=0.5"\n')
    service.systemctl("reload")
    models = service.models()
    assert models["second"]["state"] == "ready"
    assert models["m"]["pid"] == before
    assert service.main_pid() == main


def test_a_reload_may_take_longer_than_a_start(service: Service, machine: Machine) -> None:
    """The daemon asks for more time while a model loads, whatever the unit's timeout."""
    service.start(MODEL)
    drop_in = machine.path("/run/systemd/system/serve-daemon.service.d/short.conf")
    drop_in.write_text("[Service]\nTimeoutStartSec=2\n")
    machine.run("systemctl", "daemon-reload")
    try:
        service.write(MODEL + '[models.second]\nsource = "fake:load=4"\n')
        service.systemctl("reload")
        assert service.models()["second"]["state"] == "ready"
    finally:
        drop_in.unlink()
        machine.run("systemctl", "daemon-reload")


def test_a_bad_reload_fails_and_says_where(service: Service, machine: Machine) -> None:
    """The file, the line and the column are in the unit's status; nothing has changed."""
    service.start(MODEL)
    before = service.models()["m"]["pid"]
    service.write(MODEL + 'dtype = "float1"\n')
    assert service.systemctl("reload", check=False).returncode != 0
    told = machine.run("systemctl", "status", "--no-pager", "--full", UNIT).stdout
    assert "/etc/serve.toml:9:9: models.m.dtype: " in told
    assert machine.show(UNIT, "ActiveState") == ["active"]
    assert service.models()["m"]["pid"] == before


def test_a_refused_file_at_the_start_is_not_tried_again(service: Service, machine: Machine) -> None:
    """The unit fails at once, and the journal says where."""
    service.write("[models.m]\nnonsense = 1\n")
    assert service.systemctl("start", check=False).returncode != 0
    assert machine.show(UNIT, "ActiveState", "NRestarts", "ExecMainStatus") == ["failed", "0", "78"]
    assert "/etc/serve.toml:8:1: models.m.nonsense: " in machine.journal("-u", UNIT)


def test_a_hung_daemon_is_replaced(service: Service, machine: Machine) -> None:
    """The watchdog ends a main process that does nothing, and systemd starts another."""
    service.start(MODEL)
    before = service.main_pid()
    machine.run("kill", "-STOP", str(before))
    service.until(lambda: service.main_pid() not in {0, before})
    service.until(lambda: machine.show(UNIT, "ActiveState") == ["active"])
    assert service.answer("again") == "again"


def test_a_killed_daemon_comes_back_on_the_same_socket(service: Service, machine: Machine) -> None:
    """Who connects while nobody is there waits and is served."""
    service.start(MODEL)
    before = service.main_pid()
    machine.run("kill", "-KILL", str(before))
    # The dead daemon's gateway may live for a moment longer; what it accepts dies with it.
    service.until(lambda: service.main_pid() not in {0, before})
    assert service.answer("meanwhile") == "meanwhile"


def test_no_client_is_turned_away_by_a_restart(service: Service) -> None:
    """Requests that come all the while are all answered, some by each daemon."""
    service.start(MODEL)
    before = service.main_pid()
    restarted = threading.Event()
    answers: list[Any] = []

    def keep_asking() -> None:
        while not restarted.is_set():
            try:
                answers.append(service.answer("now"))
            except OSError as error:
                answers.append(error)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    service.systemctl("restart")
    restarted.set()
    thread.join()
    assert service.main_pid() != before
    assert set(map(str, answers)) == {"now"}


async def test_a_restart_loses_no_stream(service: Service) -> None:
    """Clients that stream all the while: `make chaos` does it with the real model."""
    texts = [f"{number} {' '.join(map(str, range(40)))}" for number in range(8)]
    questions = [Question(text, is_chat=number % 2 == 0) for number, text in enumerate(texts)]
    await asyncio.to_thread(service.start, '[models.m]\nsource = "fake:token_delay=0.02"\n')
    clients = Clients(service.url, questions, texts, Tally())
    faults = drawn(RESTARTS, {"systemctl restart": 2}, 0)
    await Script(faults, num_clients=8, pause_seconds=0.5).play(service, clients)
    assert clients.tally.losses == []
    assert clients.tally.texts[False] == 0
    assert clients.tally.met["systemctl restart"] == 16
    assert clients.tally.answered > 16


def test_the_first_connection_starts_the_service(service: Service, machine: Machine) -> None:
    """Socket activation: the client waits for the daemon, gateway and model to come up."""
    service.write(MODEL)
    service.systemctl("start", SOCKET_UNIT)
    assert machine.show(UNIT, "ActiveState") == ["inactive"]
    assert service.answer("wake up") == "wake up"
    assert machine.show(UNIT, "ActiveState") == ["active"]


def test_a_stop_lets_open_requests_finish(service: Service, machine: Machine) -> None:
    """A stream that is open when the daemon is told to stop is sent to its end."""
    service.start(SLOW)
    with service.ask("count", stream=True, max_tokens=40) as response:
        lines = [response.readline()]
        stopping = threading.Thread(target=service.systemctl, args=("stop",))
        stopping.start()
        lines += response.readlines()
    stopping.join()
    assert lines[-2:] == [b"data: [DONE]\n", b"\n"]
    assert machine.show(UNIT, "ActiveState", "Result") == ["inactive", "success"]


def test_the_journal_has_the_models_records_with_their_fields(
    service: Service, machine: Machine
) -> None:
    """`journalctl SERVE_MODEL=m` finds what concerns the model, with its priority."""
    service.start(MODEL)
    (run,) = machine.show(UNIT, "InvocationID")  # other tests' records are in the journal, too
    asked = (f"_SYSTEMD_INVOCATION_ID={run}", "SERVE_MODEL=m")
    shown = machine.journal(*asked, "--output=json").splitlines()
    records = [json.loads(line) for line in shown]
    assert any(record.get("SERVE_NEW") == "ready" for record in records)
    assert {record["PRIORITY"] for record in records} <= {"6", "7"}
    assert {record["SYSLOG_IDENTIFIER"] for record in records} == {"serve-daemon"}


def test_the_journal_finds_a_request_by_its_id(service: Service, machine: Machine) -> None:
    """`journalctl SERVE_REQUEST_ID=ID`, with the id that the client chose or was told."""
    service.start(MODEL)
    with service.ask("a question", request_id="the-one") as reply:
        assert reply.headers["X-Request-Id"] == "the-one"
    asked = ("SERVE_REQUEST_ID=the-one", "-u", UNIT, "--output=json")
    service.until(lambda: bool(machine.journal(*asked)))
    shown = machine.journal(*asked)
    records = [json.loads(line) for line in shown.splitlines()]
    assert [record["SERVE_MODEL"] for record in records] == ["m"]
    assert "a question" not in shown


def test_the_group_may_control_the_daemon_and_others_may_not(service: Service) -> None:
    """The socket's mode is the whole rule."""
    service.start(MODEL)
    socket = ("--socket", "/run/serve-daemon/control.sock")
    assert service.servectl(*socket, "status", user="serve-daemon").returncode == 0
    refused = service.servectl(*socket, "status", user="nobody", check=False)
    assert refused.returncode == 3
    assert "access denied" in refused.stderr


def test_what_engines_run_in_is_nothing_that_they_can_change(
    service: Service, machine: Machine
) -> None:
    """Neither its files nor, though it lies in the service's own directory, which one it is."""
    service.start(MODEL)
    state, directory = "/var/lib/serve-daemon", "/var/lib/serve-daemon/engine"
    inside = (f"nsenter --target={service.main_pid()} --mount setpriv").split()
    inside += ["--reuid=serve-daemon", "--regid=serve-daemon", "--clear-groups"]
    assert machine.run(*inside, "mkdir", f"{state}/mine").returncode == 0
    for command in (f"mkdir {directory}/mine", f"mv {directory} {state}/mine"):
        assert machine.run(*inside, *command.split(), check=False).returncode != 0
    machine.run("rmdir", f"{state}/mine")
    assert machine.run("stat", "--format=%U %a", directory).stdout == "root 755\n"
    made = machine.run("touch", f"{directory}/new")  # an installation is seen while it runs
    assert made.returncode == 0
    machine.run(*inside, "test", "-e", f"{directory}/new")
    machine.run("rm", f"{directory}/new")
