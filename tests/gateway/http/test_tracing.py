"""W3C's trace context: what is taken over of it, and how far it reaches."""

from pathlib import Path

import httpx
import msgspec
import pytest

from fakes.supervisor import FakeSupervisor
from serve_daemon.gateway.http.tracing import trace_of
from serve_daemon.wire.messages import Submit

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def headers(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), *((b"traceparent", each.encode()) for each in values)]


def test_a_trace_goes_on_with_a_span_of_ours() -> None:
    """Another one for each request."""
    first, second = trace_of(headers(GOOD)), trace_of(headers(GOOD))
    assert first is not None
    assert second is not None
    assert (first.trace_id, first.parent_id, first.flags) == (TRACE, SPAN, "01")
    assert len({SPAN, first.span_id, second.span_id}) == 3
    assert first.response == f"00-{TRACE}-{first.span_id}-01".encode()


@pytest.mark.parametrize(
    "value",
    [
        "",
        TRACE,
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"01-{TRACE}-{SPAN}-01more",
    ],
)
def test_a_malformed_header_counts_as_none(value: str) -> None:
    """As the standard has it: the request goes on without."""
    assert trace_of(headers(value)) is None
    assert trace_of(headers(GOOD, GOOD)) is None


@pytest.mark.parametrize("value", [f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-is-next"])
def test_a_later_version_is_read_as_far_as_it_is_known(value: str) -> None:
    """It is answered in ours."""
    trace = trace_of(headers(value))
    assert trace is not None
    assert trace.response.startswith(f"00-{TRACE}-".encode())


async def test_a_trace_reaches_the_reply_and_the_record(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """The reply names our span; so does each line of the log."""
    reply = await client.get("/v1/models", headers={"traceparent": GOOD, "tracestate": "a=1"})
    version, trace_id, span_id, flags = reply.headers["traceresponse"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE, "01")
    record = await supervisor.until_record("/v1/models")
    assert (record["trace_id"], record["span_id"]) == (TRACE, span_id)
    reply = await client.get("/v1/models", headers={"traceparent": "nonsense"})
    assert reply.status_code == 200
    assert "traceresponse" not in reply.headers


async def test_a_reply_says_how_long_it_took(client: httpx.AsyncClient) -> None:
    """In the header that OpenAI's clients read."""
    reply = await client.get("/v1/models")
    assert int(reply.headers["openai-processing-ms"]) >= 0


async def test_key_and_trace_reach_the_engine(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, tmp_path: Path
) -> None:
    """With the order, so that it can say in its log whose a sequence is."""
    record = tmp_path / "calls"
    await supervisor.serve(f"fake:record={record}")
    await supervisor.let_in({"team": "sk-team"})
    headers = {"Authorization": "Bearer sk-team", "traceparent": GOOD, "X-Request-Id": "mine"}
    body = {"model": "m", "input": "x"}
    assert (await client.post("/v1/responses", json=body, headers=headers)).status_code == 200
    order = msgspec.json.decode(record.read_bytes().splitlines()[0], type=Submit)
    assert (order.request_id, order.trace_id, order.key) == ("mine", TRACE, "team")
