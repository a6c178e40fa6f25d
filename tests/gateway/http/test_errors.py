"""Every reply that is an error has OpenAI's shape."""

from typing import Any

import httpx
import pytest
import structlog

from fakes.supervisor import FakeSupervisor
from serve_daemon.gateway.common.errors import as_api_error

ASK = {"model": "m", "input": "x"}


@pytest.mark.parametrize(
    ("method_and_path", "body", "status", "code"),
    [
        ("GET /nowhere", None, 404, "not_found"),
        ("DELETE /v1/responses", None, 405, "method_not_allowed"),
        ("GET /v1/chat/completions", None, 405, "method_not_allowed"),
        ("GET /v1/models/nobody", None, 404, "model_not_found"),
        ("GET /ready?model=nobody", None, 404, "model_not_found"),
        ("POST /v1/responses", b"{", 400, "invalid_json"),
        ("POST /v1/responses", b"", 400, "invalid_json"),
        ("POST /v1/responses", b"\xff", 400, "invalid_json"),
        ("POST /v1/responses", b"[" * 100_000, 400, "invalid_json"),
        ("POST /v1/responses", b"[]", 400, "invalid_type"),
        ("POST /v1/responses", b'{"model":"nobody","input":"x"}', 404, "model_not_found"),
        ("POST /v1/chat/completions", b'{"messages":[]}', 400, "empty_array"),
    ],
)
async def test_an_error_tells_its_kind(
    client: httpx.AsyncClient, method_and_path: str, body: bytes | None, status: int, code: str
) -> None:
    """The status, and a body with message, type, param and code."""
    headers = {"content-type": "application/json"}
    method, path = method_and_path.split()
    reply = await client.request(method, path, content=body, headers=headers)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (status, code)
    assert sorted(error) == ["code", "message", "param", "type"]
    assert error["message"]
    assert error["type"] == "invalid_request_error"


async def test_a_body_of_another_type_is_refused(client: httpx.AsyncClient) -> None:
    """415: a form is no JSON."""
    reply = await client.post("/v1/responses", data={"model": "m"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_a_refused_field_is_named(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """400 with the field's path as param."""
    await supervisor.serve("fake:")
    reply = await client.post("/v1/responses", json={**ASK, "text": {"format": {"type": "x"}}})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "text.format.type"
    assert reply.json()["error"]["code"] == "unsupported_parameter"


async def test_a_model_that_nobody_will_serve_is_refused_at_once(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """503 with the reason."""
    await supervisor.route("m", state="failed", reason="no such file", can_wait=False)
    reply = await client.post("/v1/responses", json=ASK)
    assert reply.status_code == 503
    assert reply.json()["error"]["message"] == "The model 'm' is failed: no such file."


async def test_a_model_that_does_not_become_ready_in_time_is_refused(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """503 after queue_timeout."""
    await supervisor.route("m", queue_timeout=0.1)
    reply = await client.post("/v1/responses", json=ASK)
    assert reply.status_code == 503
    assert "was not ready within 0.1 seconds" in reply.json()["error"]["message"]


async def test_a_model_that_is_removed_refuses_those_who_wait_for_it(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """404: it is not there any more."""
    await supervisor.route("m")
    async with client.stream("POST", "/v1/responses", json={**ASK, "stream": True}) as reply:
        lines = reply.aiter_lines()
        assert await anext(lines) == ": waiting"
        await supervisor.remove("m")
        text = "\n".join([line async for line in lines])
    assert '"code":"model_not_found"' in text


async def test_a_full_queue_refuses_more(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """429 with Retry-After, once max_requests and max_queue are taken."""
    engine = await supervisor.start_engine("fake:prefill=1000", max_requests=1)
    await supervisor.route("m", engine, max_queue=1)
    body = {**ASK, "stream": True}
    async with (
        client.stream("POST", "/v1/responses", json=body) as first,
        client.stream("POST", "/v1/responses", json=body) as second,
    ):
        assert first.status_code == second.status_code == 200
        reply = await client.post("/v1/responses", json=ASK)
        assert reply.status_code == 429
        assert reply.headers["retry-after"] == "1"
        assert reply.json()["error"]["type"] == "rate_limit_error"
    await engine.until_sequences(0)
    await supervisor.until_idle()
    assert (await client.post("/v1/responses", json={**ASK, "n": 2})).status_code == 400


async def test_a_prompt_that_is_too_long_is_refused(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """400 with the limit, streamed or not."""
    await supervisor.serve("fake:", max_context=20)
    for stream in (False, True):
        body: dict[str, Any] = {"model": "m", "input": "x" * 100, "stream": stream}
        reply = await client.post("/v1/responses", json=body)
        error = reply.json()["error"]
        assert (reply.status_code, error["code"]) == (400, "context_length_exceeded")
        assert error["param"] == "input"


async def test_a_conversation_that_the_template_refuses_is_the_clients_fault(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """400 with the template's own words."""
    await supervisor.serve("fake:")
    reply = await client.post("/v1/responses", json={**ASK, "input": "template, refuse"})
    assert reply.status_code == 400
    assert "refused the messages: refused" in reply.json()["error"]["message"]


async def test_a_model_whose_artefacts_are_broken_is_the_servers_fault(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """500, and the supervisor gets to know of it."""
    engine = await supervisor.start_engine("fake:")
    (supervisor.directory / "artefacts" / "m-0" / "tokenizer.json").write_text("{")
    await supervisor.route("m", engine)
    failures = supervisor.gateway_counts.failures
    reply = await client.post("/v1/responses", json=ASK)
    assert reply.status_code == 500
    assert "tokenizer.json" in reply.json()["error"]["message"]
    await supervisor.gateway.until(lambda: supervisor.gateway_counts.failures > failures)


async def test_an_unexpected_exception_is_logged_under_the_id_that_the_client_gets() -> None:
    """The reply says nothing of the bug but where to find it."""
    error = ZeroDivisionError("a bug")
    with structlog.testing.capture_logs() as logs:
        problem = as_api_error(error, "req_1")
    assert logs[0]["exc_info"] is error
    assert problem.status == 500
    assert "req_1" in problem.body.message
    assert "bug" not in problem.body.message


@pytest.mark.parametrize(
    ("length", "code"), [(10, "unknown_parameter"), (2000, "request_too_large")]
)
async def test_the_access_record_has_the_errors_code(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, length: int, code: str
) -> None:
    """So that an operator sees why clients are refused."""
    await supervisor.configure(max_body_size=1000)
    await client.post("/v1/responses", json={**ASK, "temperture": "1" * length})
    assert (await supervisor.until_record("/v1/responses"))["error"] == code
