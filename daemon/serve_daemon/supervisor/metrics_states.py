"""The metrics of engines, models, gateways and the daemon itself. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from serve_daemon.supervisor.metrics import EXITS, RESTARTS
from serve_daemon.supervisor.metrics_facts import Facts, Model, by_label, count, gauge
from serve_daemon.supervisor.prometheus import Sample, family
from serve_daemon.supervisor.states import State
from serve_daemon.wire.metrics import Counter


def of_engines(facts: Facts) -> Iterator[str]:
    yield gauge(
        facts,
        "vllm:num_requests_running",
        "Sequences that engines compute.",
        lambda each: sum(replica["running"] for replica in each["replicas"]),
    )
    yield gauge(
        facts,
        "vllm:num_requests_waiting",
        "Requests that wait, at gateways and in engines.",
        lambda each: each["queued"] + sum(replica["waiting"] for replica in each["replicas"]),
    )
    yield gauge(
        facts,
        "vllm:kv_cache_usage_perc",
        "The share of the place for keys and values that is in use, 1 being all of it.",
        _cache_usage,
    )
    yield gauge(
        facts,
        "serve_daemon_engines_up",
        "Engines of the model that serve.",
        lambda each: sum(_serves(replica) for replica in each["replicas"]),
    )
    yield family(
        "serve_daemon_engine_exits_total",
        "counter",
        "Engines that have ended, by the result.",
        [
            ({"model_name": model, **labels}, count)
            for model in facts.totals.models
            for labels, count in by_label(facts.totals, model, EXITS, "result")
        ],
    )


def of_models(facts: Facts) -> Iterator[str]:
    yield family(
        "serve_daemon_model_state",
        "gauge",
        "1 for the state that the model is in, 0 for the others.",
        [
            ({"model_name": each["name"], "state": str(state)}, float(each["state"] == state))
            for each in facts.models
            for state in State
        ],
    )
    yield gauge(
        facts,
        "serve_daemon_open_requests",
        "Requests for the model that are open at gateways.",
        lambda each: each["open_requests"],
    )
    yield gauge(
        facts,
        "serve_daemon_queued_requests",
        "Those of them that wait for their turn.",
        lambda each: each["queued"],
    )
    yield gauge(
        facts,
        "serve_daemon_memory_bytes",
        "Memory of the model's engines, on the device that they run on.",
        lambda each: each["memory"],
    )
    yield gauge(
        facts,
        "serve_daemon_peak_memory_bytes",
        "The most that they had of it.",
        lambda each: each["peak_memory"],
    )
    yield gauge(
        facts,
        "serve_daemon_memory_max_bytes",
        "The main memory that one engine of the model may take, where that is limited.",
        lambda each: each["memory_max"],
    )


def of_gateways(facts: Facts) -> Iterator[str]:
    totals = facts.totals
    yield family(
        "serve_daemon_gateways_up",
        "gauge",
        "Gateways that accept requests.",
        [({}, facts.num_gateways)],
    )
    yield family(
        "serve_daemon_gateway_restarts_total",
        "counter",
        "Crashes of gateways.",
        [({}, count(totals, "", RESTARTS))],
    )
    yield family(
        "serve_daemon_gateway_exits_total",
        "counter",
        "Gateways that have ended, by the result.",
        by_label(totals, "", EXITS, "result"),
    )
    yield family(
        "serve_daemon_http_responses_total",
        "counter",
        "Replies over HTTP by their status, those to probes left out.",
        by_label(totals, "", Counter.STATUS, "code"),
    )
    yield family(
        "serve_daemon_open_connections",
        "gauge",
        "Connections of TCP to the addresses of the API.",
        [({}, facts.connections)] if facts.connections is not None else [],
    )


def of_the_daemon(facts: Facts) -> Iterator[str]:
    daemon = facts.daemon
    outcomes = ("applied", "refused", "failed")
    reloads: list[Sample] = [({"outcome": each}, facts.reloads.get(each, 0)) for each in outcomes]
    yield family(
        "serve_daemon_reloads_total",
        "counter",
        "Reloads of the configuration, by what became of them.",
        reloads,
    )
    yield family(
        "serve_daemon_resident_memory_bytes",
        "gauge",
        "Memory of the supervisor itself.",
        [({}, daemon["memory"])],
    )
    yield family(
        "serve_daemon_uptime_seconds",
        "gauge",
        "Since the daemon was started.",
        [({}, max(facts.now - daemon["started"], 0.0))],
    )
    yield family(
        "serve_daemon_build_info",
        "gauge",
        "The version of the daemon.",
        [({"version": daemon["version"]}, 1)],
    )


def _cache_usage(model: Model) -> float | None:
    """On the average of the engines that know it."""
    known = [each["kv_cache_usage"] for each in model["replicas"] if _serves(each)]
    known = [each for each in known if each is not None]
    return sum(known) / len(known) if known else None


def _serves(replica: Mapping[str, Any]) -> bool:
    return bool(replica["role"] == "serving" and replica["phase"] == "ready")
