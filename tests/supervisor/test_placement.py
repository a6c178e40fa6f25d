"""Who may start when: the decision about memory, on devices of a few bytes."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.supervisor.placement import Holding, Placement, Situation, place, total

BESIDE, WAIT = Placement.BESIDE, Placement.WAIT
SWAP, REFUSE = Placement.SWAP, Placement.REFUSE


def settled(size: int) -> Holding:
    """A unit that neither comes nor leaves."""
    return Holding(size, size, size)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(Situation(10, 10), BESIDE, id="alone"),
        pytest.param(Situation(10, 5, serving=5), BESIDE, id="both fit"),
        pytest.param(Situation(10, 6, serving=5), SWAP, id="both do not fit"),
        pytest.param(Situation(10, 11, serving=5), REFUSE, id="not even alone"),
        pytest.param(Situation(10, 6, others=settled(5)), REFUSE, id="others stay"),
        pytest.param(Situation(10, 6, others=Holding(now=5)), WAIT, id="others leave"),
        pytest.param(
            Situation(10, 4, serving=3, others=Holding(now=9)), WAIT, id="then both will fit"
        ),
        pytest.param(
            Situation(10, 6, others=Holding(6, 6, 4)), WAIT, id="others are yet to shrink"
        ),
        pytest.param(Situation(10, 6, leaving=5), WAIT, id="its own have not left yet"),
        pytest.param(Situation(10, 6, serving=5, leaving=5), SWAP, id="nor is that enough"),
        pytest.param(Situation(10, 4, others=Holding(0, 7, 7)), REFUSE, id="others come first"),
        pytest.param(
            Situation(10, 5, serving=6, others=Holding(6, 6, 5)), SWAP, id="it shrinks anyway"
        ),
        pytest.param(
            Situation(10, 6, serving=5, others=Holding(6, 6, 4)), WAIT, id="it grows, others first"
        ),
        pytest.param(Situation(10, 20, least=4), BESIDE, id="it makes do with what there is"),
        pytest.param(
            Situation(10, 20, others=settled(7), least=4), REFUSE, id="there is not even that"
        ),
        pytest.param(Situation(10, 8, serving=5, least=4), SWAP, id="it could, but need not"),
        pytest.param(
            Situation(10, 8, others=Holding(now=5), least=4), WAIT, id="soon there will be more"
        ),
        pytest.param(
            Situation(10, 20, others=Holding(8, 8, 4), least=4), WAIT, id="others make room for it"
        ),
    ],
)
def test_it_starts(at: Situation, expected: Placement) -> None:
    """In each of these situations as it should."""
    assert place(at) is expected


def test_several_units_add_up() -> None:
    """Each of the three sizes by itself."""
    assert total([Holding(1, 2, 3), Holding(10, 20, 30)]) == Holding(11, 22, 33)
    assert total([]) == Holding()


@dataclass
class Change:
    """A unit that goes from one size to another, and would like `most` of it, as `Unit` does."""

    before: int
    least: int
    most: int
    serving: int = 0
    coming: int | None = None
    leaving: int = 0
    is_changed: bool = False

    def __post_init__(self) -> None:
        self.serving = self.before

    @property
    def is_done(self) -> bool:
        return self.is_changed and not self.leaving

    @property
    def holding(self) -> Holding:
        wanted = self.serving if self.is_changed else self.least
        following = self.coming if self.coming is not None else self.serving or wanted
        return Holding(self.serving + (self.coming or 0) + self.leaving, following, wanted)

    def decide(self, others: Holding, capacity: int) -> Placement | None:
        """Follow the decision; None where nothing is to be decided."""
        if self.is_changed or self.coming is not None or (self.leaving and not self.serving):
            return None
        at = Situation(capacity, self.most, self.serving, self.leaving, others, self.least)
        placement = place(at)
        if placement is BESIDE:
            self.coming = self.least  # with which it counts
        elif placement is SWAP:
            self.serving, self.leaving = 0, self.leaving + self.serving
        return placement

    def go_on(self) -> bool:
        """What leaves is gone, what comes is ready. Returns whether anything was."""
        if self.leaving:
            self.leaving = 0
        elif self.coming is not None:
            self.leaving, self.serving, self.coming = self.serving, self.coming, None
            self.is_changed = True
        else:
            return False
        return True


SIZES = st.integers(1, 9)
MORE = st.sampled_from([0, 0, 1, 5, 20])


@given(
    st.lists(st.tuples(SIZES, SIZES, MORE), min_size=1, max_size=5), st.integers(0, 5), st.data()
)
def test_changes_that_fit_together_all_come_to_an_end(
    sizes: list[tuple[int, int, int]], spare: int, data: st.DataObject
) -> None:
    """Whatever the order in which processes come and go, none is refused, none waits for ever."""
    changes = [Change(before, least, least + more) for before, least, more in sizes]
    held, wanted, _ = (sum(each) for each in zip(*sizes, strict=True))
    capacity = max(held, wanted) + spare
    while not all(each.is_done for each in changes):
        for each in data.draw(st.permutations(changes)):
            others = total(other.holding for other in changes if other is not each)
            assert each.decide(others, capacity) is not REFUSE
            assert sum(other.holding.now for other in changes) <= capacity
        movable = data.draw(st.permutations(changes))
        assert any(each.go_on() for each in movable) or all(each.is_done for each in changes)
