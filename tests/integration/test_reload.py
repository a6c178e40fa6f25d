"""Editing the file of a running daemon, with fake engines."""

import asyncio
import json
import signal
import socket
from typing import Any

import pytest

from integration.daemon import RunningDaemon
from integration.edits import edit_while_streaming
from integration.streams import text_of
from serve_daemon.control.protocol import ControlError

FIRST = '[models.first]\nsource = "fake:text=count,token_delay=0.01"\n'


def second(source: str = "fake:load=0.2", **keys: Any) -> str:
    table = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f'{FIRST}[models.second]\nsource = "{source}"\n{table}'


async def test_edits_never_touch_what_they_do_not_name(daemon: RunningDaemon) -> None:
    """Add, change, remove, break and repair a model while 8 clients stream from another."""
    await daemon.started(FIRST)
    texts = await edit_while_streaming(daemon, first=FIRST, second=second)
    assert len(texts[0]) == 40


async def test_a_bad_file_changes_nothing_and_says_where(daemon: RunningDaemon) -> None:
    """Reload answers with file, line and column of each problem."""
    await daemon.started(FIRST, server="")
    pid = daemon.model("first")["pid"]
    daemon.file.write_text(daemon.file.read_text() + 'profile = "none"\ndtype = "int3"\n')
    with pytest.raises(ControlError) as refused:
        await daemon.ask("Reload", wait=True)
    problems = refused.value.parameters["problems"]
    lines = daemon.file.read_text().splitlines()
    assert {lines[each["line"] - 1] for each in problems} == {'profile = "none"', 'dtype = "int3"'}
    assert {each["file"] for each in problems} == {str(daemon.file)}
    assert daemon.model("first")["pid"] == pid
    assert daemon.status()["daemon"]["last_reload"] == "refused"


async def test_sighup_reloads(daemon: RunningDaemon) -> None:
    """The signal does what servectl reload does, also where the file isn't watched."""
    control = "[control]\nwatch = false\n"
    await daemon.started(control + FIRST)
    daemon.write(control + second())
    daemon.signal(signal.SIGHUP)
    await daemon.until_model("second", state="ready")
    assert "reload begins: SIGHUP" in daemon.log()


async def test_an_unwatched_file_is_left_alone(daemon: RunningDaemon) -> None:
    """Watch = false: nothing happens until somebody asks; plan shows what would."""
    control = "[control]\nwatch = false\n"
    await daemon.started(control + FIRST)
    daemon.write(control + second())
    changes = daemon.call("Plan")["changes"]
    assert {"models.second": "start", "models.first": "keep"}.items() <= {
        each["subject"]: each["action"] for each in changes
    }.items()
    assert [m["name"] for m in daemon.status()["models"]] == ["first"]


async def test_a_replacement_that_fails_leaves_the_old_engine(daemon: RunningDaemon) -> None:
    """The reload is failed, the old engine serves on, and mending the file mends the model."""
    await daemon.started(second())
    pid = daemon.model("second")["pid"]
    daemon.write("[control]\nwatch = false\n" + second("fake:fail=source"))
    with pytest.raises(ControlError) as failed:
        await daemon.ask("Reload", wait=True)
    outcomes = {each["subject"]: each for each in failed.value.parameters["changes"]}
    assert outcomes["models.second"]["outcome"] == "failed"
    assert "source: " in outcomes["models.second"]["reason"]
    model = daemon.model("second")
    assert (model["pid"], model["state"], model["source"]) == (pid, "ready", "fake:load=0.2")
    assert {"models.second": "replace"}.items() <= {
        each["subject"]: each["action"] for each in daemon.call("Plan")["changes"]
    }.items()


async def test_live_keys_keep_the_process(daemon: RunningDaemon) -> None:
    """An alias, a queue limit, a timeout: the same PID, the new value."""
    await daemon.started(second())
    pid = daemon.model("second")["pid"]
    daemon.write(second(aliases='["other"]', max_queue=7, hang_timeout=9.0))
    await daemon.ask("Reload", wait=True)
    assert daemon.model("other")["pid"] == pid
    async with daemon.http() as client:
        assert await text_of(client, model="other", input="by alias") == "by alias"


async def test_quick_edits_end_in_the_last_one_with_one_engine(daemon: RunningDaemon) -> None:
    """Thirty edits faster than an engine loads leave one engine, of the last edit."""
    await daemon.started(second())
    for number in range(1, 31):
        daemon.write(second(max_requests=number))
        await daemon.ask("Reload", wait=False)
    await daemon.ask("Reload", wait=True)
    model = await daemon.until(
        lambda status: (
            len(status["models"][1]["replicas"]) == 1 and status["models"][1]["max_requests"] == 30
        )
    )
    assert model["models"][1]["state"] == "ready"


async def test_a_changed_table_revives_a_failed_model(daemon: RunningDaemon) -> None:
    """Mending the file is all that it takes."""
    daemon.write(second("fake:fail=source"))
    await daemon.start()
    await daemon.until_model("second", state="failed")
    daemon.write(second())
    assert (await daemon.until_model("second", state="ready"))["reason"] == ""


async def test_a_new_address_moves_the_gateway(daemon: RunningDaemon) -> None:
    """The old gateway finishes its streams; the new one accepts on the new address."""
    await daemon.started(FIRST)
    old_url, old_pid = daemon.url, daemon.status()["gateway"]["pid"]
    from integration.daemon import free_port

    async with daemon.http() as client:
        stream = asyncio.create_task(
            text_of(client, model="first", input="x", max_output_tokens=100)
        )
        daemon.port = free_port()
        daemon.url = f"http://127.0.0.1:{daemon.port}"
        daemon.write(FIRST)
        await daemon.until(lambda status: status["gateway"]["pid"] not in (None, old_pid))
        async with daemon.http() as moved:
            assert len(await text_of(moved, model="first", input="x", max_output_tokens=9)) == 9
        assert len(await stream) == 100
    assert old_url != daemon.url


async def test_an_address_in_use_refuses_the_reload_with_its_place(daemon: RunningDaemon) -> None:
    """Nothing changes, and the problem points at the line that names the address."""
    await daemon.started("[control]\nwatch = false\n" + FIRST)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        daemon.file.write_text(daemon.file.read_text().replace(str(daemon.port), str(taken)))
        with pytest.raises(ControlError) as refused:
            await daemon.ask("Reload", wait=True)
    (problem,) = refused.value.parameters["problems"]
    assert (problem["line"], problem["key"]) == (2, "server.listen")
    assert str(taken) in problem["message"]
    async with daemon.http() as client:
        assert (await client.get("/health")).status_code == 200


async def test_prompts_are_logged_only_where_that_is_asked_for(daemon: RunningDaemon) -> None:
    """A change of `[log] prompts` is live, and no other record has a word of what was asked."""
    await daemon.started(FIRST)
    gateway = daemon.status()["gateway"]["pid"]
    async with daemon.http() as client:
        await text_of(client, model="first", input="a secret word", max_output_tokens=2)
        daemon.write("[log]\nlevel = 'debug'\nprompts = true\n" + FIRST)
        await daemon.ask("Reload", wait=True)
        await text_of(client, model="first", input="an open word", max_output_tokens=2)
    assert daemon.status()["gateway"]["pid"] == gateway
    await daemon.ask("Shutdown")
    records = [json.loads(line) for line in daemon.log().splitlines()]
    (asked,) = (each for each in records if each["event"] == "prompt")
    assert "an open word" in asked["prompt"]
    assert asked["request_id"].startswith("req_")
    assert "secret" not in daemon.log()
