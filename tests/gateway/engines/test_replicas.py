"""Several engines of one model: who gets what, over HTTP."""

import asyncio
from typing import Any

import httpx
import msgspec

from fakes.behaviour import counting
from fakes.children import EngineChild
from fakes.supervisor import FakeSupervisor
from serve_daemon.gateway.engines.affinity import BLOCK_TOKENS
from serve_daemon.wire.messages import EngineHeartbeat

LENGTH = 200


async def serve_two(supervisor: FakeSupervisor, source: str) -> list[EngineChild]:
    """Two replicas, which keep records of what they are sent."""
    engines = []
    for number in (1, 2):
        record = supervisor.directory / f"record{number}"
        record.unlink(missing_ok=True)
        engines.append(await supervisor.start_engine(f"{source},record={record}"))
    await supervisor.route("m", *engines)
    return engines


def orders(supervisor: FakeSupervisor) -> list[int]:
    """How many sequences each was sent."""
    counts = []
    for number in (1, 2):
        record = supervisor.directory / f"record{number}"
        lines = record.read_bytes().splitlines() if record.exists() else []
        counts.append(sum(msgspec.json.decode(line)[0] == "Submit" for line in lines))
    return counts


async def ask(client: httpx.AsyncClient, text: str, **fields: Any) -> str:
    body = {"model": "m", "input": text, **fields}
    reply = await client.post("/v1/responses", json=body)
    return str(reply.json()["output"][0]["content"][0]["text"])


async def test_a_conversation_stays_where_its_beginning_is(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Others go where least is to do."""
    await serve_two(supervisor, "fake:token_delay=0.001")
    talk = "a long conversation " * (BLOCK_TOKENS // 8)
    for turn in range(4):
        await ask(client, talk + "and more of it " * turn)
    assert sorted(orders(supervisor)) == [0, 4]


async def test_requests_with_nothing_in_common_share_the_replicas(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """By turns, since each takes the one with fewer."""
    await serve_two(supervisor, "fake:prefill=0.3")
    texts = [f"{number} has a question" for number in range(6)]
    assert await asyncio.gather(*(ask(client, text) for text in texts)) == texts
    assert orders(supervisor) == [3, 3]


async def test_a_dead_replica_s_streams_go_on_at_the_other(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """All of them, with their text whole, though nothing is said by the table yet."""
    first, second = await serve_two(supervisor, "fake:text=count,token_delay=0.004")
    wanted = {"max_output_tokens": LENGTH}
    answers = [asyncio.ensure_future(ask(client, f"{n} counts", **wanted)) for n in range(6)]
    await first.until_said(EngineHeartbeat)
    await first.until(lambda: first.last(EngineHeartbeat).generated_tokens > 3)
    first.kill()
    assert await asyncio.gather(*answers) == [counting(LENGTH)] * 6
    assert orders(supervisor) == [3, 6]
    assert second.process.returncode is None
