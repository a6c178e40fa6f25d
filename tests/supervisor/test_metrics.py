"""What all processes have counted together: it never goes back, whatever happens to them."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.units import World
from serve_daemon.supervisor import metrics
from serve_daemon.supervisor.metrics import Metrics, Totals
from serve_daemon.wire.metrics import Counted, ModelCounts


@dataclass(eq=False)
class Source:
    """A process, as far as it counts."""

    counts: dict[str, list[float]] = field(default_factory=dict)


HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("count"), st.integers(0, 3), st.integers(1, 9)),
        st.tuples(st.just("tell"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("tell again"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("die"), st.integers(0, 3), st.just(0)),
    ),
    max_size=40,
)


@given(HAPPENINGS)
def test_totals_never_go_back_and_lose_only_what_was_not_told(
    happenings: list[tuple[str, int, int]],
) -> None:
    """Whoever counts, tells, tells old news, dies and is replaced, in whatever order."""
    totals, told = Totals(), 0.0
    sources = [Source() for _ in range(4)]
    before: dict[int, dict[str, list[float]]] = {}
    last = 0.0
    for kind, number, amount in happenings:
        source = sources[number]
        match kind:
            case "count":
                source.counts.setdefault("n", [0.0])[0] += amount
            case "tell":
                old = before.get(id(source), {}).get("n", [0.0])[0]
                before[id(source)] = {name: list(each) for name, each in source.counts.items()}
                totals.take(source, "m", before[id(source)])
                told += source.counts.get("n", [0.0])[0] - old
            case "tell again":
                totals.take(source, "m", before.get(id(source), {}))
            case "die":
                before.pop(id(source), None)
                sources[number] = Source()
        now = totals.of("m").get("n", [0.0])[0]
        assert now >= last
        assert now == told
        last = now


def test_old_news_that_comes_late_changes_nothing() -> None:
    """A process's counts only grow."""
    totals, source = Totals(), Source()
    for counts in ([5.0, 2.0], [3.0, 3.0], [5.0, 2.0]):
        totals.take(source, "m", {"h": counts})
    assert totals.of("m") == {"h": [5.0, 3.0]}


def test_a_later_version_may_count_more() -> None:
    """Numbers that others don't have are zero there."""
    totals = Totals()
    totals.take(Source(), "m", {"h": [1.0, 2.0]})
    totals.take(Source(), "m", {"h": [1.0, 2.0, 3.0], "new": [1.0]})
    assert totals.of("m") == {"h": [2.0, 4.0, 3.0], "new": [1.0]}


def test_names_of_models_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that grew longest ago are forgotten; what belongs to none stays."""
    monkeypatch.setattr(metrics, "KEPT_MODELS", 3)
    totals = Totals()
    for name in ("", "a", "b", "a", "c"):
        totals.add(name, "n")
    assert totals.models == ["a", "c"]
    assert totals.of("") == {"n": [1.0]}


def test_what_is_open_is_that_of_the_gateways_that_are_there() -> None:
    """Whoever is gone has nothing open any more; others are unknown."""
    world = World()
    first, second = world.started(), World().started()
    told = Metrics()
    for gateway, numbers in ((first, (3, 1)), (second, (2, 2)), (first, (4, 0))):
        told.hear(gateway, Counted([ModelCounts("m", *numbers, {})]))
    assert told.open_requests([first, second], "m") == (6, 2)
    assert told.open_requests([second], "m") == (2, 2)
    assert told.open_requests([first], "other") == (0, 0)
