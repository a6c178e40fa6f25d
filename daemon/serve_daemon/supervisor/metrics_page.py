"""The page that Prometheus reads: what is counted, and how things stand, as text. Pure."""

from serve_daemon.supervisor.metrics_facts import Facts
from serve_daemon.supervisor.metrics_requests import of_requests
from serve_daemon.supervisor.metrics_states import (
    of_engines,
    of_gateways,
    of_models,
    of_the_daemon,
)

PARTS = (of_requests, of_engines, of_models, of_gateways, of_the_daemon)


def page(facts: Facts) -> str:
    """All metrics in Prometheus' text format 0.0.4."""
    return "".join(text for part in PARTS for text in part(facts))
