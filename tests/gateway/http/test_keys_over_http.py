"""Keys at a real gateway: who is let in, to what, and what it costs to refuse the others."""

import httpx
import pytest
import pytest_asyncio

from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor

ONE, TWO = "sk-one-0123456789abcdef", "sk-two-0123456789abcdef"
QUESTION = {"model": "m", "input": "hello"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest_asyncio.fixture(loop_scope="module")
async def keyed(supervisor: FakeSupervisor) -> FakeSupervisor:
    """A gateway with two models, and a key for each of two clients."""
    await supervisor.serve("fake:", model="m")
    await supervisor.serve("fake:", model="n")
    await supervisor.let_in({"one": ONE, "two": TWO}, two=["n"])
    return supervisor


async def test_a_key_lets_in(keyed: FakeSupervisor, client: httpx.AsyncClient) -> None:
    """Its name is in the record of the request; the key is nowhere."""
    reply = await client.post("/v1/responses", json=QUESTION, headers=bearer(ONE))
    assert reply.status_code == 200
    record = await keyed.until_record("/v1/responses")
    assert record["key"] == "one"
    assert not any(ONE in line for line in keyed.gateway.lines)


@pytest.mark.parametrize("headers", [{}, bearer("sk-wrong-0123456789abcdef")])
async def test_without_a_good_key_a_request_is_refused(
    keyed: FakeSupervisor, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    """With 401 at every endpoint, and at paths that are none; not at those of probes."""
    for path in ("/v1/responses", "/v1/chat/completions", "/tokenize", "/nothing"):
        reply = await client.post(path, json=QUESTION, headers=headers)
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.json()["error"]["code"] == "invalid_api_key"
        assert reply.headers["x-request-id"]
    assert "sk-wrong-0123456789abcdef" not in reply.text
    for path in ("/health", "/ready"):
        assert (await client.get(path, headers=headers)).status_code == 200


async def test_anthropics_clients_are_refused_in_their_own_way(
    keyed: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """By the header that their SDK sends, and in the shape that it reads."""
    reply = await client.post("/v1/messages", json={}, headers={"x-api-key": "sk-wrong"})
    assert reply.status_code == 401
    assert reply.json()["error"]["type"] == "authentication_error"
    reply = await client.post("/v1/messages", json={}, headers={"x-api-key": ONE})
    assert reply.status_code == 400


async def test_a_model_of_others_does_not_exist(
    keyed: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """It is not listed, and asking for it is told as for one that nobody knows."""
    for model in ("m", "m-alias", "nobody"):
        body = QUESTION | {"model": model}
        reply = await client.post("/v1/responses", json=body, headers=bearer(TWO))
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")
        assert reply.json()["error"]["message"].startswith(f"The model '{model}' does not exist or")
    assert (await client.get("/v1/models/m", headers=bearer(TWO))).status_code == 404
    listed = (await client.get("/v1/models", headers=bearer(TWO))).json()["data"]
    assert [each["id"] for each in listed] == ["n"]
    listed = (await client.get("/v1/models", headers=bearer(ONE))).json()["data"]
    assert [each["id"] for each in listed] == ["m", "n"]
    for model in ("n", "n-alias"):
        body = QUESTION | {"model": model}
        reply = await client.post("/v1/responses", json=body, headers=bearer(TWO))
        assert reply.status_code == 200


async def test_a_wrong_key_is_refused_before_the_body_comes(keyed: FakeSupervisor) -> None:
    """Of a request that has only begun."""
    request = post("/v1/responses", b"{", declared_bytes=1_000_000)
    async with RawClient(keyed.url) as client:
        await client.send(request)
        assert (await client.read_until(b"}}")).startswith(b"HTTP/1.1 401 ")


async def test_a_refusal_is_heard_by_who_is_still_sending(
    keyed: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """However large the body; the connection is not closed over it."""
    body = QUESTION | {"input": "x" * 2_000_000}
    for _ in range(10):
        assert (await client.post("/v1/responses", json=body)).status_code == 401


async def test_keys_that_are_tried_do_not_fill_the_log(
    keyed: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """One line tells of all that came within a second."""
    await keyed.until_idle()
    keyed.gateway.lines.clear()
    for number in range(200):
        await client.get("/v1/models", headers=bearer(f"sk-{number}"))

    def refused() -> int:
        return sum(each.get("requests", 0) for each in keyed.gateway.records)

    await keyed.gateway.until(lambda: refused() >= 200)
    lines = keyed.gateway.records
    assert {each["event"] for each in lines} == {"requests without a good key are refused"}
    assert {each["client"] for each in lines} == {"127.0.0.1"}
    assert len(lines) < 20


async def test_a_change_of_keys_holds_at_once(
    keyed: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """The next request with a key that is gone is refused; a stream that is open goes on."""
    await keyed.serve("fake:text=count,token_delay=0.02", model="m")
    body = QUESTION | {"stream": True, "max_output_tokens": 30}
    async with client.stream("POST", "/v1/responses", json=body, headers=bearer(ONE)) as reply:
        lines = reply.aiter_lines()
        await anext(lines)
        await keyed.let_in({"two": TWO})
        refused = await client.post("/v1/responses", json=body, headers=bearer(ONE))
        assert refused.status_code == 401
        rest = [line async for line in lines]
    assert "event: response.incomplete" in rest
    assert (await client.get("/v1/models", headers=bearer(TWO))).status_code == 200
