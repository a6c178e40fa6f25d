"""The page of metrics, as a gateway has it of the daemon."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from serve_daemon.control.server import Call, ControlServer, bind
from serve_daemon.gateway.about import metrics
from serve_daemon.gateway.about.metrics import MetricsListener, MetricsPage, as_open_metrics
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.wire.routing import GatewaySettings

TEXT = (
    "# HELP a_total About a.\n# TYPE a_total counter\na_total 1\n"
    "# HELP b_total About b.\n# TYPE b_total gauge\nb_total 2\n"
)


class Daemon:
    """Its control socket alone: it answers once it is let."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "control.sock"
        self.num_calls = 0
        self.called = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def metrics(self, _call: Call) -> AsyncIterator[dict[str, str]]:
        self.num_calls += 1
        self.called.set()
        await self.may_answer.wait()
        yield {"text": TEXT}

    def page(self) -> MetricsPage:
        return MetricsPage(Conditions(GatewaySettings(control_socket=str(self.path))))


@pytest_asyncio.fixture(loop_scope="module")
async def daemon() -> AsyncIterator[Daemon]:
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        found = Daemon(Path(directory))
        server = ControlServer({"Metrics": found.metrics})
        await server.start(bind(found.path))
        yield found
        found.may_answer.set()
        await server.close()


async def test_the_daemon_is_asked_once_however_many_want_it(daemon: Daemon) -> None:
    """And again when somebody comes later; whoever leaves takes it from nobody."""
    page = daemon.page()
    readers = [asyncio.ensure_future(page.read("")) for _ in range(3)]
    async with asyncio.timeout(10):
        await daemon.called.wait()
    readers.pop().cancel()
    daemon.may_answer.set()
    assert await asyncio.gather(*readers) == [(metrics.PROMETHEUS, TEXT.encode())] * 2
    assert daemon.num_calls == 1
    await page.read("")
    assert daemon.num_calls == 2


@pytest.mark.parametrize(
    ("path", "reason"),
    [("", "knows no control socket"), ("/nowhere/control.sock", "no daemon answers here")],
)
async def test_where_no_daemon_is_there_is_no_page(path: str, reason: str) -> None:
    """But the reason."""
    page = MetricsPage(Conditions(GatewaySettings(control_socket=path)))
    with pytest.raises(ApiError, match=reason) as refused:
        await page.read("")
    assert refused.value.status == 503


async def test_a_daemon_that_is_busy_is_not_waited_for(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than Prometheus would."""
    monkeypatch.setattr(metrics, "PATIENCE_SECONDS", 0.05)
    listener = MetricsListener(daemon.page(), "/metrics")
    transport = httpx.ASGITransport(listener)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        reply = await client.get("/metrics")
    assert (reply.status_code, reply.text) == (503, "the daemon does not answer\n")


def test_open_metrics_names_counters_without_their_suffix() -> None:
    """Their samples have it; gauges are as they were."""
    families = text_string_to_metric_families(  # type: ignore[no-untyped-call]
        "".join(as_open_metrics(TEXT))
    )
    found = {(each.name, each.type): [sample.name for sample in each.samples] for each in families}
    assert found == {("a", "counter"): ["a_total"], ("b_total", "gauge"): ["b_total"]}
