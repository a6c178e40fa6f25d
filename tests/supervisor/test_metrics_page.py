"""The whole page of metrics: what is on it, in the manual, and on the board for Grafana."""

import asyncio
import json
import re
from typing import Any

import pytest
from msgspec import structs
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

import source
from fakes.calls import call, model
from fakes.managed import Managed
from fakes.units import heartbeat
from serve_daemon.supervisor.metrics import Totals
from serve_daemon.supervisor.metrics_facts import Facts
from serve_daemon.supervisor.metrics_page import page
from serve_daemon.wire.metrics import BOUNDS, Counted, ModelCounts

NAME = re.compile(r"\b(?:vllm:|serve_daemon_)\w+")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
MANUAL = source.ROOT / "man" / "serve-daemon.8.scd"
BOARD = source.ROOT / "packaging" / "grafana" / "serve-daemon.json"


def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


@pytest.fixture(scope="module")
def empty() -> list[Metric]:
    """Of a daemon that has done nothing."""
    daemon = {"memory": 1, "started": 100.0, "version": "1"}
    return families(page(Facts(daemon, [], Totals(), 0, {}, None, 160.0)))


def series(found: list[Metric]) -> set[str]:
    """Every name that an expression may have."""
    return {f"{each.name}{suffix}" for each in found for suffix in SUFFIXES[each.type]}


def test_each_name_is_there_once_before_anything_has_happened(empty: list[Metric]) -> None:
    """With a sentence about it."""
    names = [each.name for each in empty]
    assert len(set(names)) == len(names)
    assert all(each.documentation.endswith(".") for each in empty)
    assert all(NAME.fullmatch(each.name) for each in empty)


def test_the_manual_tells_of_each(empty: list[Metric]) -> None:
    """And of no other."""
    section = MANUAL.read_text().partition("# METRICS")[2].partition("\n# ")[0]
    total = {"counter": "_total"}
    names = {f"{each.name}{total.get(each.type, '')}" for each in empty}
    assert set(NAME.findall(section.replace("\\_", "_"))) == names


async def test_what_is_told_is_on_the_page(managed: Any) -> None:
    """Of a model with a name that needs its quotes."""
    world: Managed = managed('[models."a\\"b"]\nsource = "/models/m"\n')
    world.started()
    counts = {"outcome.stop": [2.0], "ttft": [0.5, 1.0, *[0.0] * len(BOUNDS["ttft"])]}
    world.gateway.listener.on_message(Counted([ModelCounts('a"b', 3, 1, counts)]))
    text = (await call(world, "Metrics"))["text"]
    samples = {
        (sample.name, *(sample.labels.get(each) for each in ("model_name", "finished_reason"))): (
            sample.value
        )
        for family in families(text)
        for sample in family.samples
    }
    assert samples["vllm:request_success_total", 'a"b', "stop"] == 2
    assert samples["vllm:request_success_total", 'a"b', "error"] == 0
    assert samples["vllm:time_to_first_token_seconds_sum", 'a"b', None] == 0.5
    assert samples["vllm:num_requests_waiting", 'a"b', None] == 1
    assert samples["serve_daemon_open_requests", 'a"b', None] == 3
    assert samples["serve_daemon_engines_up", 'a"b', None] == 1
    assert samples["serve_daemon_gateways_up", None, None] == 1
    assert not any("e2e" in str(name) for name, *_ in samples)  # nothing was seen of it


async def test_the_status_tells_the_pace_and_what_waits(
    managed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all engines of a model, and of all gateways."""
    world: Managed = managed('[models.m]\nsource = "/models/m"\nreplicas = 2\n')
    world.started()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", world.clock.time)
    for tokens in (0, 30):
        world.clock.advance(1.0)
        for engine in world.engines("m"):
            beat = structs.replace(heartbeat(), generated_tokens=tokens, prompt_tokens=9)
            engine.listener.on_message(beat)
    for gateway in world.gateways():
        gateway.listener.on_message(Counted([ModelCounts("m", 3, 1, {})]))
    told = await model(world)
    assert (told["open_requests"], told["queued"], told["tokens_per_second"]) == (3, 1, 60.0)
    figures = [(each["tokens_per_second"], each["prompt_tokens"]) for each in told["replicas"]]
    assert figures == [(30.0, 9), (30.0, 9)]


def test_the_board_asks_for_what_there_is(empty: list[Metric]) -> None:
    """In every expression, the variable's included."""
    board = json.loads(BOARD.read_text())
    targets = [each for panel in board["panels"] for each in panel.get("targets", [])]
    variables = [each["definition"] for each in board["templating"]["list"] if "definition" in each]
    expressions = [each["expr"] for each in (*targets, *board["annotations"]["list"])] + variables
    assert len(expressions) > 30
    for each in expressions:
        asked = set(NAME.findall(each))
        assert asked, each
        assert asked <= series(empty), each


def test_the_panels_of_the_board_have_their_places() -> None:
    """None over another, each with a title and a word about it, in rows."""
    panels = json.loads(BOARD.read_text())["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (at["x"] + column, at["y"] + row) for column in range(at["w"]) for row in range(at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"].endswith(".")
        taken |= cells
    rows = [each["title"] for each in panels if each["type"] == "row"]
    assert rows == ["Traffic", "Latency", "Engines", "Supervision"]
