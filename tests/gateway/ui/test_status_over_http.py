"""GET /ui/status and /ui/events: what the daemon tells, to those who may know."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from cli.documents import model, status
from fakes.supervisor import FakeSupervisor
from gateway.ui.told import Daemon, event, next_told, told
from serve_daemon.wire.routing import StopAccepting

ALL, FEW = "sk-all-0123456789abcdef", "sk-few-0123456789abcdef"


@pytest_asyncio.fixture(loop_scope="module")
async def daemon(supervisor: FakeSupervisor) -> AsyncIterator[Daemon]:
    """What answers at the control socket that the gateway is told of."""
    daemon = Daemon()
    path = supervisor.directory / "control.sock"
    async with daemon.listening(path):
        await supervisor.configure(has_ui=True, control_socket=str(path))
        yield daemon


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_the_state_now(daemon: Daemon, client: httpx.AsyncClient) -> None:
    """As the control interface has it, with the memory of the machine."""
    reply = await client.get("/ui/status")
    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")
    shown = reply.json()
    assert {name: shown[name] for name in daemon.status} == daemon.status
    (cpu,) = shown["devices"]
    assert cpu["name"] == "cpu"
    assert 0 < cpu["free"] < cpu["total"]


async def test_without_a_daemon_the_reason_is_told(
    daemon: Daemon, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """503 at once; and in a stream, which goes on when there is one again."""
    socket = supervisor.settings.control_socket
    for path in ("", str(supervisor.directory / "nobody.sock")):
        await supervisor.configure(control_socket=path)
        reply = await client.get("/ui/status")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "model_unavailable")
        assert "does not tell its state" in reply.json()["error"]["message"]
    async with client.stream("GET", "/ui/events") as reply:
        stream = told(reply)
        assert "nobody.sock" in (await next_told(stream, "trouble"))["message"]
        await supervisor.configure(control_socket=socket)
        assert (await next_told(stream, "snapshot"))["models"] == daemon.status["models"]


async def test_a_stream_tells_the_past_and_goes_on(
    daemon: Daemon, client: httpx.AsyncClient
) -> None:
    """A snapshot comes first; when something happens, another one comes with it."""
    async with client.stream("GET", "/ui/events") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        stream = told(reply)
        name, _first = await anext(stream)
        assert name == "snapshot"
        assert [await next_told(stream, "event") for _ in (1, 2)] == daemon.past
        daemon.status = status(model("m", state="draining"))
        await daemon.happen(event(3, new="draining"))
        assert await next_told(stream, "event") == daemon.past[-1]
        while (await next_told(stream, "snapshot"))["models"][0]["state"] != "draining":
            pass
        await next_told(stream, "snapshot")  # though nothing happens


async def test_the_daemon_is_looked_at_once_and_only_while_somebody_watches(
    daemon: Daemon, client: httpx.AsyncClient
) -> None:
    """However many watch; each of them has all of it."""
    assert (daemon.listeners, daemon.looks) == (0, 0)
    async with client.stream("GET", "/ui/events") as one:
        await next_told(told(one), "event")
        async with client.stream("GET", "/ui/events") as two:
            stream = told(two)
            assert [(await next_told(stream, "event"))["number"] for _ in (1, 2)] == [1, 2]
            assert daemon.listeners == 1
    await daemon.until(lambda: daemon.listeners == 0)
    looks = daemon.looks
    async with client.stream("GET", "/ui/events") as three:
        await next_told(told(three), "event")
    await daemon.until(lambda: daemon.listeners == 0)
    assert daemon.looks > looks


async def test_who_watches_is_no_request(
    daemon: Daemon, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Of those that are counted, as the page itself shows them."""
    before = supervisor.gateway_counts.requests
    async with client.stream("GET", "/ui/events") as reply:
        await next_told(told(reply), "event")
        await supervisor.until_idle()
    await daemon.until(lambda: daemon.listeners == 0)
    await supervisor.until_idle()
    assert supervisor.gateway_counts.requests == before


async def test_data_take_a_key_and_tell_what_it_is_good_for(
    daemon: Daemon, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """One that may use some models alone hears of no other, not even in what a reload tells."""
    daemon.past.append(event(3, kind="reload", model="", message="reload begins\nstart n"))
    await supervisor.let_in({"all": ALL, "few": FEW}, few=["m"])
    for path in ("/ui/status", "/ui/events"):
        assert (await client.get(path)).status_code == 401
        wrong = await client.get(path, headers=bearer("sk-wrong-0123456789abcdef"))
        assert wrong.status_code == 401
    shown = {}
    for key in (ALL, FEW):
        reply = await client.get("/ui/status", headers=bearer(key))
        shown[key] = [each["name"] for each in reply.json()["models"]]
    assert shown == {ALL: ["m", "n"], FEW: ["m"]}
    async with client.stream("GET", "/ui/events", headers=bearer(FEW)) as reply:
        stream = told(reply)
        assert [each["name"] for each in (await next_told(stream, "snapshot"))["models"]] == ["m"]
        heard = [await next_told(stream, "event") for _ in (1, 2)]
        assert [each["number"] for each in heard] == [1, 3]
        assert heard[1]["message"] == "reload begins"


async def test_a_page_that_is_switched_off_ends_its_streams(
    daemon: Daemon, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """So that who watches learns of it."""
    async with client.stream("GET", "/ui/events") as reply:
        stream = told(reply)
        await next_told(stream, "event")
        await supervisor.configure(has_ui=False)
        await next_told(stream, "leaving")
    await daemon.until(lambda: daemon.listeners == 0)


async def test_a_gateway_that_leaves_waits_for_no_watcher(
    daemon: Daemon, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """It sends them to the next one, and exits by itself."""
    async with client.stream("GET", "/ui/events") as reply:
        stream = told(reply)
        await next_told(stream, "event")
        supervisor.gateway.peer.send(StopAccepting(60.0))
        await next_told(stream, "leaving")
    async with asyncio.timeout(30):
        assert await supervisor.gateway.process.wait() == 0
    assert not any("requests are cut" in line for line in supervisor.gateway.lines)
