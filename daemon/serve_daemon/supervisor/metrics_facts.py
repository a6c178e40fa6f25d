"""What a page of metrics is made of, and how samples are taken of it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from serve_daemon.supervisor.metrics import Totals
from serve_daemon.supervisor.prometheus import Sample, family
from serve_daemon.wire.metrics import labelled

Model = Mapping[str, Any]  # as the control interface has it


class Facts(Struct, frozen=True):
    """All that the page tells; the first two are as the control interface has them, or a part."""

    daemon: Mapping[str, Any]
    models: list[Model]
    totals: Totals
    num_gateways: int  # that accept requests
    reloads: Mapping[str, int]  # by outcome
    connections: int | None
    now: float  # Unix seconds


def gauge(facts: Facts, name: str, about: str, value: Callable[[Model], float | None]) -> str:
    """One for each model; none where nothing is known."""
    found = [(each["name"], value(each)) for each in facts.models]
    samples = [({"model_name": name}, number) for name, number in found if number is not None]
    return family(name, "gauge", about, samples)


def count(totals: Totals, model: str, name: str) -> float:
    return totals.of(model).get(name, [0.0])[0]


def by_label(totals: Totals, model: str, name: str, label: str) -> list[Sample]:
    """The counters of this name that there are."""
    prefix = labelled(name, "")
    return [
        ({label: each.removeprefix(prefix)}, numbers[0])
        for each, numbers in sorted(totals.of(model).items())
        if each.startswith(prefix)
    ]
