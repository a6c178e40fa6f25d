"""GET /v1/models and /v1/models/MODEL: what is known of a model, in either API's form."""

from typing import Any

import httpx
import pytest

from fakes.supervisor import FakeSupervisor

ANTHROPIC = {"anthropic-version": "2023-06-01"}


async def test_a_model_tells_what_it_can_do(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """By its name, and by an alias; as its engine has it."""
    engine = await supervisor.start_engine("fake:", max_context=500, max_requests=3)
    await supervisor.route("m", engine, engine="compiled", quantization="bnb-4bit")
    model = (await client.get("/v1/models/m")).json()
    assert (model["id"], model["object"], model["owned_by"]) == ("m", "model", "serve-daemon")
    assert (model["state"], model["engine"], model["quantization"]) == (
        "ready",
        "compiled",
        "bnb-4bit",
    )
    assert (model["max_model_len"], model["max_requests"]) == (500, 3)
    assert (model["kind"], model["dtype"], model["device"]) == ("generation", "float32", "cpu")
    assert model["features"] == {
        "tools": True,
        "structured_outputs": True,
        "logprobs": True,
        "reasoning": False,
    }
    assert "/v1/messages" in model["endpoints"]
    alias = (await client.get("/v1/models/m-alias")).json()
    assert alias == {**model, "id": "m-alias"}
    assert (await client.get("/v1/models")).json() == {"object": "list", "data": [model]}


async def test_of_a_model_without_an_engine_less_is_known(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Its state and why, and what the configuration says."""
    fields: dict[str, Any] = {"state": "failed", "reason": "no memory", "can_wait": False}
    await supervisor.route("m", engine="embedding", **fields)
    model = (await client.get("/v1/models/m")).json()
    assert (model["state"], model["reason"]) == ("failed", "no memory")
    assert (model["kind"], model["max_model_len"]) == ("embedding", None)
    assert model["endpoints"][0] == "/v1/embeddings"
    assert not model["features"]["tools"]


async def test_anthropics_form(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """Where the client says that it speaks its API; also of errors."""
    await supervisor.serve("fake:", max_context=500)
    model = (await client.get("/v1/models/m", headers=ANTHROPIC)).json()
    assert (model["type"], model["id"], model["display_name"]) == ("model", "m", "m")
    assert model["created_at"].endswith("Z")
    assert model["max_input_tokens"] == 500
    listed = (await client.get("/v1/models", headers=ANTHROPIC)).json()
    assert listed == {"data": [model], "has_more": False, "first_id": "m", "last_id": "m"}
    missing = await client.get("/v1/models/x", headers=ANTHROPIC)
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize(
    ("params", "names", "has_more"),
    [
        ({}, "abcd", False),
        ({"limit": 2}, "ab", True),
        ({"limit": 2, "after_id": "b"}, "cd", False),
        ({"limit": 2, "before_id": "d"}, "bc", True),
        ({"before_id": "b"}, "a", False),
        ({"after_id": "d"}, "", False),
    ],
)
async def test_a_page_of_models(
    client: httpx.AsyncClient,
    supervisor: FakeSupervisor,
    params: dict[str, str | int],
    names: str,
    *,
    has_more: bool,
) -> None:
    """After one, before one, and no more than were asked for."""
    for name in "abcd":
        await supervisor.route(name)
    page = (await client.get("/v1/models", params=params, headers=ANTHROPIC)).json()
    assert [model["id"] for model in page["data"]] == list(names)
    assert page["has_more"] == has_more
    assert page["first_id"] == (names[0] if names else None)


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": "x"}, {"after_id": "x"}])
async def test_a_page_that_can_not_be(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, params: dict[str, str | int]
) -> None:
    """Is refused."""
    await supervisor.route("m")
    assert (await client.get("/v1/models", params=params)).status_code == 400
