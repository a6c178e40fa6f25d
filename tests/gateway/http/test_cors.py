"""Web pages that use the API: what their browser is told, whatever the reply is."""

import httpx
import pytest
import pytest_asyncio

from fakes.supervisor import FakeSupervisor
from serve_daemon.gateway.http.cors import preflight, reply_headers

PAGE = "https://chat.example"
ASKS_FIRST = [
    (b"origin", PAGE.encode()),
    (b"access-control-request-method", b"POST"),
    (b"access-control-request-headers", b"authorization,x-stainless-os"),
]


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ([], PAGE, {}),
        ([PAGE], PAGE, {b"access-control-allow-origin": PAGE.encode(), b"vary": b"Origin"}),
        (["*"], PAGE, {b"access-control-allow-origin": b"*"}),
        (["https://other.example"], PAGE, {b"vary": b"Origin"}),
        ([PAGE], "", {b"vary": b"Origin"}),
        ([PAGE], f"{PAGE}:8443", {b"vary": b"Origin"}),
    ],
)
def test_a_page_of_an_allowed_origin_may_read_the_reply(
    allowed: list[str], origin: str, expected: dict[bytes, bytes]
) -> None:
    """And no other; caches are told that it depends on who asks."""
    request = [(b"origin", origin.encode())] if origin else []
    told = dict(reply_headers(request, allowed))
    assert told.pop(b"access-control-expose-headers", b"X-Request-Id").startswith(b"X-Request-Id")
    assert told == expected


def test_a_browser_is_told_what_it_may_send() -> None:
    """Whatever headers an SDK has; nothing where it does not ask, or may not."""
    told = dict(preflight("OPTIONS", ASKS_FIRST, [PAGE]))
    assert told[b"access-control-allow-headers"] == b"authorization,x-stainless-os"
    assert b"POST" in told[b"access-control-allow-methods"]
    assert preflight("POST", ASKS_FIRST, [PAGE]) == []
    assert preflight("OPTIONS", ASKS_FIRST[:1], [PAGE]) == []
    assert preflight("OPTIONS", ASKS_FIRST, ["https://other.example"]) == []


@pytest_asyncio.fixture(loop_scope="module")
async def open_to_pages(supervisor: FakeSupervisor) -> FakeSupervisor:
    await supervisor.serve("fake:")
    await supervisor.let_in({"one": "sk-one"})
    await supervisor.configure(cors_origins=[PAGE], max_body_size=1000)
    return supervisor


async def test_a_browser_asks_without_a_key(
    open_to_pages: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """It gets an empty reply, with all that it wants to know."""
    asked = {name.decode(): value.decode() for name, value in ASKS_FIRST}
    reply = await client.options("/v1/responses", headers=asked)
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["access-control-allow-headers"] == "authorization,x-stainless-os"


@pytest.mark.parametrize(
    ("key", "size", "status"), [("sk-one", 1, 200), ("sk-none", 1, 401), ("sk-one", 2000, 413)]
)
async def test_a_page_may_read_replies_and_errors(
    open_to_pages: FakeSupervisor, client: httpx.AsyncClient, key: str, size: int, status: int
) -> None:
    """Also those that are given before anything is read."""
    reply = await client.post(
        "/v1/responses",
        json={"model": "m", "input": "x" * size},
        headers={"Origin": PAGE, "Authorization": f"Bearer {key}"},
    )
    assert reply.status_code == status
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert "X-Request-Id" in reply.headers["access-control-expose-headers"]


async def test_no_page_may_use_the_api_by_default(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Nothing is said of origins then."""
    reply = await client.get("/v1/models", headers={"Origin": PAGE})
    assert not any(name.startswith("access-control") for name in reply.headers)
