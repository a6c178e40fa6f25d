"""Responses that are kept, over HTTP: found, listed, gone on from, cancelled, deleted."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fakes.supervisor import FakeSupervisor
from gateway.kept.keeping import events_of, resumed, some_of, text_of, until_ended
from serve_daemon.wire.routing import GatewaySettings

ASK: dict[str, Any] = {"model": "m", "input": "hello"}
LONG = {"model": "m", "input": "x", "max_output_tokens": 4000}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_supervisor() -> AsyncIterator[FakeSupervisor]:
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        settings = GatewaySettings(state_directory=f"{directory}/state", stall_timeout=60.0)
        supervisor = FakeSupervisor(Path(directory), settings)
        yield supervisor
        await supervisor.end()


async def create(client: httpx.AsyncClient, **request: Any) -> dict[str, Any]:
    reply = await client.post("/v1/responses", json={**ASK, **request})
    assert reply.status_code == 200, reply.text
    response: dict[str, Any] = reply.json()
    return response


async def input_items(client: httpx.AsyncClient, response_id: str, **query: str) -> dict[str, Any]:
    path = f"/v1/responses/{response_id}/input_items"
    listed: dict[str, Any] = (await client.get(path, params=query)).json()
    return listed


async def test_a_response_is_kept_unless_it_says_otherwise(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """As OpenAI's are; the same object comes back."""
    await supervisor.serve("fake:")
    kept = await create(client, metadata={"a": "b"})
    assert kept["store"] is True
    assert (await client.get(f"/v1/responses/{kept['id']}")).json() == kept
    other = await create(client, store=False)
    assert other["store"] is False
    reply = await client.get(f"/v1/responses/{other['id']}")
    assert reply.status_code == 404
    assert reply.json()["error"]["message"] == f"Response with id '{other['id']}' not found."


async def test_nothing_is_kept_where_it_is_configured_so(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """But for those that ask for it."""
    await supervisor.serve("fake:")
    await supervisor.configure(stores_by_default=False)
    assert (await create(client))["store"] is False
    kept = await create(client, store=True)
    assert (await client.get(f"/v1/responses/{kept['id']}")).json() == kept


async def test_a_deleted_response_is_gone(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """For every endpoint, and as something to go on from."""
    await supervisor.serve("fake:")
    kept = await create(client)
    path = f"/v1/responses/{kept['id']}"
    assert (await client.delete(path)).json() == {
        "id": kept["id"],
        "object": "response",
        "deleted": True,
    }
    for reply in (
        await client.get(path),
        await client.delete(path),
        await client.post(f"{path}/cancel"),
        await client.get(f"{path}/input_items"),
    ):
        assert reply.status_code == 404
    reply = await client.post("/v1/responses", json={**ASK, "previous_response_id": kept["id"]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (
        400,
        "previous_response_not_found",
    )
    assert reply.json()["error"]["param"] == "previous_response_id"


async def test_input_items_come_in_pages(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """The newest first, unless asked for otherwise; each with an id by which one goes on."""
    await supervisor.serve("fake:")
    items = [{"role": "user", "content": str(number)} for number in range(5)]
    kept = await create(client, input=items)
    whole = await input_items(client, kept["id"], order="asc")
    assert [each["content"][0]["text"] for each in whole["data"]] == list("01234")
    assert (whole["object"], whole["has_more"]) == ("list", False)
    first = await input_items(client, kept["id"], limit="2")
    assert [each["content"][0]["text"] for each in first["data"]] == ["4", "3"]
    assert first["has_more"] is True
    second = await input_items(client, kept["id"], limit="2", after=first["last_id"])
    assert [each["content"][0]["text"] for each in second["data"]] == ["2", "1"]
    before = await input_items(client, kept["id"], before=second["first_id"])
    assert before["data"] == first["data"]
    path = f"/v1/responses/{kept['id']}/input_items"
    for query in ({"limit": "0"}, {"after": "msg_none"}, {"order": "best"}, {"page": "2"}):
        reply = await client.get(path, params=query)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, next(iter(query)))


async def test_a_response_goes_on_from_another(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """With its input and output, but not its instructions; the prompt is that of one request."""
    await supervisor.serve("fake:")
    first = await create(client, input="one", instructions="be brief")
    second = await create(client, input="two", previous_response_id=first["id"])
    third = await create(client, input="three", previous_response_id=second["id"])
    assert third["previous_response_id"] == second["id"]
    said = [("user", "one"), ("assistant", "one"), ("user", "two"), ("assistant", "two")]
    conversation = [{"role": role, "content": text} for role, text in (*said, ("user", "three"))]
    whole = await create(client, input=conversation)
    assert third["usage"]["input_tokens"] == whole["usage"]["input_tokens"]
    listed = await input_items(client, third["id"], order="asc")
    assert [each["content"][0]["text"] for each in listed["data"]] == [
        *(text for _, text in said),
        "three",
    ]


async def test_an_item_that_is_kept_may_be_referred_to(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """By its id alone, of an input as of an output."""
    await supervisor.serve("fake:")
    first = await create(client, input="one")
    output = first["output"][0]["id"]
    items = [{"type": "item_reference", "id": output}, {"role": "user", "content": "two"}]
    second = await create(client, input=items)
    listed = await input_items(client, second["id"], order="asc")
    assert listed["data"][0]["id"] == output
    items[0]["id"] = "msg_none"
    reply = await client.post("/v1/responses", json={**ASK, "input": items})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "input[0].id")


async def test_a_background_response_is_there_at_once_and_made_later(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Though there is no engine yet, and no connection stays open for it."""
    await supervisor.route("m", state="starting")
    begun = await create(client, background=True)
    assert (begun["status"], begun["background"], begun["output"]) == ("queued", True, [])
    await supervisor.until_idle()
    await supervisor.serve("fake:")
    ended = await until_ended(client, begun["id"])
    assert ended["status"] == "completed"
    assert ended["output"][0]["content"][0]["text"] == "hello"
    assert ended["id"] == begun["id"]
    events = await resumed(client, begun["id"], 1)
    assert events[0]["type"] == "response.in_progress"
    assert text_of(events) == "hello"


async def test_a_background_response_can_be_cancelled(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Its sequence is freed, whoever reads it hears of the end; again changes nothing."""
    engine = await supervisor.serve("fake:text=count", max_context=100_000)
    body = {**LONG, "background": True, "stream": True}
    events = await some_of(client, body, 20)
    response_id = events[0]["response"]["id"]
    query = {"stream": "true"}
    async with client.stream("GET", f"/v1/responses/{response_id}", params=query) as reply:
        read = events_of(reply)
        await anext(read)
        making = (await client.get(f"/v1/responses/{response_id}")).json()
        assert making["status"] == "in_progress"
        ended = (await client.post(f"/v1/responses/{response_id}/cancel")).json()
        *_, last = [event async for event in read]
    assert (ended["status"], last["response"]["status"]) == ("cancelled", "cancelled")
    assert ended["output"][0]["status"] == "incomplete"
    await engine.until_sequences(0)
    assert (await client.post(f"/v1/responses/{response_id}/cancel")).json() == ended
    assert (await client.get(f"/v1/responses/{response_id}")).json() == ended


async def test_what_is_not_in_the_background_is_not_cancelled(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Nor streamed afterwards, where it was told in one piece."""
    await supervisor.serve("fake:")
    kept = await create(client)
    reply = await client.post(f"/v1/responses/{kept['id']}/cancel")
    assert reply.status_code == 400
    assert "background" in reply.json()["error"]["message"]
    reply = await client.get(f"/v1/responses/{kept['id']}", params={"stream": "true"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "stream")


async def test_a_client_that_leaves_a_stream_cancels_it(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """What it was told is kept."""
    engine = await supervisor.serve("fake:text=count", max_context=100_000)
    events = await some_of(client, {**LONG, "stream": True}, 20)
    await engine.until_sequences(0)
    ended = await until_ended(client, events[0]["response"]["id"])
    assert ended["status"] == "cancelled"
    assert ended["output"][0]["content"][0]["text"].startswith(text_of(events))


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"background": True, "store": False}, "store"),
        ({"previous_response_id": "resp_none"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
    ],
)
async def test_what_can_not_be_kept_so_is_refused(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, request_: dict[str, Any], param: str
) -> None:
    """By its name."""
    await supervisor.serve("fake:")
    reply = await client.post("/v1/responses", json={**ASK, **request_})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_a_bad_query_is_refused(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """By the name of what is wrong in it."""
    await supervisor.serve("fake:")
    kept = await create(client)
    for query in ({"stream": "1"}, {"starting_after": "3"}, {"what": "x"}, {"include": "all"}):
        reply = await client.get(f"/v1/responses/{kept['id']}", params=query)
        assert reply.status_code == 400
        assert reply.json()["error"]["param"].startswith(next(iter(query)))


async def test_each_key_finds_its_own(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Another's responses are not found, gone on from, cancelled or deleted."""
    await supervisor.serve("fake:")
    await supervisor.let_in({"one": "secret-one", "two": "secret-two"})
    one, two = ({"Authorization": f"Bearer secret-{name}"} for name in ("one", "two"))
    kept = (await client.post("/v1/responses", json=ASK, headers=one)).json()
    path = f"/v1/responses/{kept['id']}"
    assert (await client.get(path, headers=one)).json() == kept
    assert (await client.get(path)).status_code == 401
    for reply in (
        await client.get(path, headers=two),
        await client.get(f"{path}/input_items", headers=two),
        await client.post(f"{path}/cancel", headers=two),
        await client.delete(path, headers=two),
    ):
        assert reply.status_code == 404
    more = {**ASK, "previous_response_id": kept["id"]}
    reply = await client.post("/v1/responses", json=more, headers=two)
    assert reply.json()["error"]["code"] == "previous_response_not_found"
    assert (await client.post("/v1/responses", json=more, headers=one)).status_code == 200
