"""serve-daemon-api(7): what it says of each field is what the gateway does."""

from typing import Any

import httpx

from fakes.supervisor import FakeSupervisor
from manual.conditions import VALUES, completed, condition
from manual.entries import Entry
from manual.page import PAGE, page, refusal_of, told_entries
from manual.samples import other_than, sample

TOLD = [entry for entries in told_entries().values() for entry, _owner in entries]
FEW = [entry for entry in TOLD if other_than(entry.schema) is not None]


def asked(entry: Entry, value: Any) -> dict[str, Any]:
    """A body with `value` in the field's place, for a model that is there."""
    model = "vectors" if entry.operation.kind == "embedding" else "m"
    return {**completed(entry, value), "model": model}


def message_of(reply: httpx.Response) -> str:
    return str(reply.json()["error"]["message"])


def is_conditional(entry: Entry, reply: httpx.Response) -> bool:
    """Whether it is refused for what this model, or this server, can't do."""
    said = condition(entry)
    return said is not None and reply.status_code in (400, 404) and said in message_of(reply)


def test_the_page_is_what_the_code_says() -> None:
    """Where it is not: make manual."""
    assert PAGE.read_text("utf-8") == page()


async def serve(supervisor: FakeSupervisor) -> None:
    """A model of either kind."""
    engine = await supervisor.start_engine("fake:token_delay=0")
    vectors = await supervisor.start_engine("fake:dimensions=8", model="vectors")
    await supervisor.route("m", engine)
    await supervisor.route("vectors", vectors, engine="embedding")


async def test_what_the_page_says_is_refused_is_refused(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """With the very message."""
    await serve(supervisor)
    wrong = {}
    for entry in FEW:
        body = {"input": "x", **entry.filled(other_than(entry.schema))}
        if entry.operation.table is None or "input" not in entry.operation.table:
            del body["input"]
        reply = await client.post(entry.operation.path, json=body)
        if (reply.status_code, message_of(reply)) != (400, refusal_of(entry)):
            wrong[f"{entry.operation.path} {entry.path}"] = reply.text
    assert wrong == {}
    assert len(FEW) > 100


async def test_what_the_page_says_is_honoured_is_accepted(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """A value of each field, and each value of those that take few."""
    await serve(supervisor)
    wrong = {}
    for entry in TOLD:
        values = entry.schema.get("enum") or [VALUES.get(entry.path, sample(entry.schema))]
        for value in values:
            reply = await client.post(entry.operation.path, json=asked(entry, value))
            if reply.status_code != 200 and not is_conditional(entry, reply):
                wrong[f"{entry.operation.path} {entry.path} = {value!r}"] = message_of(reply)
    assert wrong == {}
