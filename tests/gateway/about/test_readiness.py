"""What probes and load balancers see."""

from typing import Any

import httpx
import pytest

from fakes.supervisor import FakeSupervisor


async def test_health_is_the_gateways_own(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """200 while it lives, whatever its models do."""
    await supervisor.route("m", state="failed", can_wait=False)
    assert (await client.get("/health")).json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/models", "/v1/models/m"])
async def test_what_can_be_got_can_be_asked_for_without_its_body(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, path: str
) -> None:
    """As HTTP wants it, and as many load balancers do."""
    await supervisor.route("m")
    reply = await client.head(path)
    assert (reply.status_code, reply.content) == ((await client.get(path)).status_code, b"")


@pytest.mark.parametrize(
    ("states", "waiting_for"),
    [
        ([], []),
        (["stopped", "asleep"], []),
        (["starting"], ["m0"]),
        (["failed", "stopped", "backoff"], ["m0", "m2"]),
    ],
)
async def test_ready_lists_what_is_missing(
    client: httpx.AsyncClient,
    supervisor: FakeSupervisor,
    states: list[str],
    waiting_for: list[str],
) -> None:
    """A model that an operator has stopped is not waited for, nor one that nobody asks for."""
    for number, state in enumerate(states):
        await supervisor.route(f"m{number}", state=state)
    reply = await client.get("/ready")
    assert reply.status_code == (503 if waiting_for else 200)
    assert [each["model"] for each in reply.json()["waiting_for"]] == waiting_for


async def test_ready_of_one_model(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """By its name or an alias, also where it is stopped."""
    await supervisor.route("other", state="stopped", reason="an operator stopped it")
    await supervisor.serve("fake:")
    params: list[tuple[str, int]] = [("m", 200), ("m-alias", 200), ("other", 503)]
    for name, status in params:
        reply = await client.get("/ready", params={"model": name})
        assert reply.status_code == status
    waiting: dict[str, Any] = reply.json()["waiting_for"][0]
    assert waiting == {"model": "other", "state": "stopped", "reason": "an operator stopped it"}
