"""The page that Prometheus reads, by its own parser, on a real daemon with fake engines."""

import asyncio
import hashlib
import os
import signal
from typing import Any

import httpx
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metric_families,
)
from prometheus_client.parser import text_string_to_metric_families

from integration.daemon import RunningDaemon, free_port
from integration.streams import text_of

MODELS = """
[models.m]
source = "fake:text=count,token_delay=0.01"
[models."other/one"]
source = "fake:"
"""
BEARER = {"authorization": "Bearer secret"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Page:
    """What was read of it, which must never go back."""

    def __init__(self, daemon: RunningDaemon, client: httpx.AsyncClient) -> None:
        self._daemon = daemon
        self._client = client
        self.samples: Samples = {}

    async def read(self) -> Samples:
        """All of it; its counters are no less than they were, its buckets are cumulative."""
        reply = await self._client.get("/metrics")
        assert reply.status_code == 200, reply.text
        assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
        now: Samples = {}
        for family in text_string_to_metric_families(reply.text):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in now, key
                now[key] = sample.value
                if family.type in ("counter", "histogram"):
                    assert sample.value >= self.samples.get(key, 0.0), key
        missing = {key for key in self.samples.keys() - now.keys() if _is_counted(key)}
        assert not missing
        self.samples = now
        return now

    def value(self, name: str, **labels: str) -> float:
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    async def until(self, name: str, expected: float, **labels: str) -> None:
        """Read until the gateways have told so much: with their next heartbeat."""
        async with asyncio.timeout(self._daemon.patience_seconds):
            while True:
                await self.read()
                if self.value(name, **labels) == expected:
                    return
                await asyncio.sleep(0.1)  # until the next beat; nothing tells of it


def _is_counted(key: tuple[str, Any]) -> bool:
    return key[0].endswith(("_total", "_bucket", "_sum", "_count"))


async def test_counts_outlive_whoever_counted(daemon: RunningDaemon) -> None:
    """An engine's and a gateway's death, a replacement of the gateway, and a reload."""
    await daemon.started(MODELS)
    each_its_own = httpx.Limits(max_keepalive_connections=0)  # as gateways come and go
    async with httpx.AsyncClient(base_url=daemon.url, timeout=60.0, limits=each_its_own) as client:
        page = Page(daemon, client)
        done = 0
        for kind in ("begin", "kill engine", "kill gateway", "replace gateway", "reload"):
            await disturb(daemon, kind)
            for number in range(2):
                limit = {"max_output_tokens": 5}
                assert len(await text_of(client, model="m", input=str(number), **limit)) == 5
            done += 2
            succeeded = {"model_name": "m", "finished_reason": "length"}
            await page.until("vllm:request_success_total", done, **succeeded)
            assert page.value("vllm:generation_tokens_total", model_name="m") == 5 * done
            for each in ("time_to_first_token_seconds", "request_queue_time_seconds"):
                assert page.value(f"vllm:{each}_count", model_name="m") == done
            assert page.value("vllm:e2e_request_latency_seconds_count", model_name="m") == done
            # Those that came at once with the first have no time of their own.
            between = page.value("vllm:inter_token_latency_seconds_count", model_name="m")
            assert done <= between <= 4 * done
        assert page.value("serve_daemon_restarts_total", model_name="m") == 1
        killed = {"model_name": "m", "result": "signal"}
        assert page.value("serve_daemon_engine_exits_total", **killed) == 1
        assert page.value("serve_daemon_gateway_restarts_total") == 1
        assert page.value("serve_daemon_gateway_exits_total", result="stopped") == 1
        assert page.value("serve_daemon_reloads_total", outcome="applied") == 2
        assert page.value("serve_daemon_model_state", model_name="m", state="ready") == 1
        assert page.value("serve_daemon_model_state", model_name="m", state="failed") == 0
        assert page.value("serve_daemon_http_responses_total", code="200") == done


async def disturb(daemon: RunningDaemon, kind: str) -> None:
    """Once the counts of what went before were told, which the test has waited for."""
    match kind:
        case "kill engine":
            os.kill(daemon.model("m")["pid"], signal.SIGKILL)
        case "kill gateway":
            before = daemon.status()["gateway"]["pid"]
            os.kill(before, signal.SIGKILL)
            await daemon.until(lambda status: status["gateway"]["pid"] not in (None, before))
        case "replace gateway":
            text = daemon.file.read_text()
            daemon.file.write_text(text.replace("[server]", "[server]\nmax_connections = 100"))
            await daemon.ask("Reload", wait=True)
        case "reload":
            daemon.file.write_text(daemon.file.read_text() + "aliases = ['o']\n")
            await daemon.ask("Reload", wait=True)


async def test_what_becomes_of_requests(daemon: RunningDaemon) -> None:
    """Also of those that no engine ever had; names that nobody serves are no labels."""
    vectors = '[models.v]\nsource = "fake:dimensions=4"\nengine = "embedding"\n'
    await daemon.started(f'{MODELS}{vectors}[models.idle]\nsource = "fake:"\n')
    await daemon.ask("Stop", model="idle", wait=True)
    async with daemon.http() as client:
        page = Page(daemon, client)
        for model, status in (("idle", 503), ("nobody", 404)):
            reply = await client.post("/v1/responses", json={"model": model, "input": "x"})
            assert reply.status_code == status
        reply = await client.post("/v1/completions", json={"model": "m", "prompt": [10**9]})
        assert reply.status_code == 400
        await client.post("/tokenize", json={"model": "m", "prompt": "not counted"})
        await page.until("serve_daemon_requests_total", 1, model_name="m", outcome="invalid")
        refused = {"model_name": "idle", "outcome": "refused"}
        assert page.value("serve_daemon_requests_total", **refused) == 1
        assert page.value("serve_daemon_http_responses_total", code="404") == 1
        labelled = {dict(labels).get("model_name") for _, labels in page.samples}
        assert labelled == {None, "m", "v", "idle", "other/one"}
        of_m = [labels for name, labels in page.samples if name == "serve_daemon_requests_total"]
        assert sum(page.samples["serve_daemon_requests_total", each] for each in of_m) == 2
        await answer_some(client, page)


async def answer_some(client: httpx.AsyncClient, page: Page) -> None:
    """Two answers are two requests; one that stops at a text has stopped; vectors are no tokens."""
    both = {"model": "m", "prompt": "x", "max_tokens": 3, "n": 2}
    assert (await client.post("/v1/completions", json=both)).status_code == 200
    stopping = {"model": "m", "prompt": "x", "max_tokens": 50, "stop": "4"}
    reply = await client.post("/v1/completions", json=stopping)
    assert reply.json()["choices"][0]["finish_reason"] == "stop"
    vectors = {"model": "v", "input": ["one", "another"]}
    told = (await client.post("/v1/embeddings", json=vectors)).json()["usage"]["prompt_tokens"]
    await page.until("vllm:request_success_total", 1, model_name="v", finished_reason="stop")
    assert page.value("vllm:prompt_tokens_total", model_name="v") == told
    assert page.value("vllm:time_to_first_token_seconds_count", model_name="v") == 0
    succeeded = "vllm:request_success_total"
    assert page.value(succeeded, model_name="m", finished_reason="length") == 2
    assert page.value(succeeded, model_name="m", finished_reason="stop") == 1


async def test_what_is_open_is_told(daemon: RunningDaemon) -> None:
    """By the page and by the status, for as long as it is; a client that leaves is an abort."""
    await daemon.started('[models.m]\nsource = "fake:prefill=1000"\nmax_requests = 1\n')
    async with daemon.http() as client, daemon.http() as looking:
        page = Page(daemon, looking)
        asked = [
            asyncio.create_task(client.post("/v1/responses", json={"model": "m", "input": "x"}))
            for _ in range(4)
        ]
        await page.until("serve_daemon_queued_requests", 2, model_name="m")  # one is at the engine
        assert page.value("serve_daemon_open_requests", model_name="m") == 4
        model = daemon.model("m")
        assert (model["open_requests"], model["queued"]) == (4, 2)
        assert page.value("serve_daemon_open_connections") >= 4
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await page.until("serve_daemon_requests_total", 4, model_name="m", outcome="abort")
        assert page.value("serve_daemon_open_requests", model_name="m") == 0


async def test_addresses_of_their_own(daemon: RunningDaemon) -> None:
    """There they are alone, and take no key; the API's have no page then."""
    own = free_port()
    keys = f'[keys.k]\nhash = "sha256:{hashlib.sha256(b"secret").hexdigest()}"\n'
    daemon.write(f'[metrics]\nlisten = ["127.0.0.1:{own}"]\npath = "/numbers"\n{keys}{MODELS}')
    await daemon.start()
    await daemon.until(lambda status: status["gateway"]["state"] == "ready")
    async with daemon.http() as api, httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}") as alone:
        assert (await api.get("/numbers", headers=BEARER)).status_code == 404
        page = await alone.get("/numbers", headers={"accept": "application/openmetrics-text"})
        families = open_metric_families(page.text)  # type: ignore[no-untyped-call]
        assert "vllm:generation_tokens" in {each.name for each in families}
        assert (await alone.get("/health")).json() == {"status": "ok"}
        assert (await alone.get("/v1/models")).status_code == 404
        assert (await alone.post("/numbers")).status_code == 405
        assert not (await alone.head("/numbers")).content
    daemon.write(keys + MODELS)
    await daemon.ask("Reload", wait=True)
    async with daemon.http() as api:
        assert (await api.get("/metrics")).status_code == 401
        assert (await api.get("/metrics", headers=BEARER)).status_code == 200
    daemon.write(f"[metrics]\nenabled = false\n{MODELS}")
    await daemon.ask("Reload", wait=True)
    async with daemon.http() as api:
        assert (await api.get("/metrics")).status_code == 404
