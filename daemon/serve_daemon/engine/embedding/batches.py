"""Which texts a step computes: those of like length, so that little of it is padding. Pure.

Orders take turns: each step has the longest text that is left of the order whose turn it is, and
of all orders those texts that are not much shorter, as many as a step has tokens for.
"""

from bisect import bisect_left
from collections import OrderedDict

from msgspec import Struct

# Padding costs what tokens cost, and a step costs something by itself: as much as these tokens.
FREE_PADDING = 32
PADDING_SHARE = 4  # of a long text, that its neighbours may be padded by


class Text(Struct, frozen=True, order=True):
    """One text that waits; the shortest come first in an order."""

    length: int
    arrival: int  # breaks ties: the latest comes first, so that the earliest is taken first
    order: int
    place: int  # in its order


class Waiting:
    """The texts that are still to be computed, of all orders."""

    def __init__(self) -> None:
        self._texts: list[Text] = []  # sorted
        self._turns: OrderedDict[int, list[Text]] = OrderedDict()  # sorted, of each order
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, order: int, lengths: list[int]) -> None:
        """An order comes; `order` names it."""
        texts: list[Text] = []
        for place, length in enumerate(lengths):
            self._arrivals -= 1
            texts.append(Text(length, self._arrivals, order, place))
        self._turns[order] = sorted(texts)
        self._texts = sorted([*self._texts, *texts])

    def drop(self, order: int) -> None:
        """What is left of an order is not wanted any more; again is no error."""
        if self._turns.pop(order, None) is not None:
            self._texts = [text for text in self._texts if text.order != order]

    def take(self, max_tokens: int) -> list[Text]:
        """The texts of the next step, the longest first; at least one of those that wait."""
        order, of_order = next(iter(self._turns.items()))
        longest = of_order[-1]
        end = bisect_left(self._texts, longest) + 1
        count = max(1, max_tokens // longest.length)
        taken = [
            text for text in self._texts[max(0, end - count) : end] if _is_alike(text, longest)
        ]
        self._remove(taken)
        if order in self._turns:
            self._turns.move_to_end(order)
        return taken[::-1]

    def _remove(self, taken: list[Text]) -> None:
        start = bisect_left(self._texts, taken[0])
        del self._texts[start : start + len(taken)]
        for text in taken:
            left = self._turns[text.order]
            del left[bisect_left(left, text)]
            if not left:
                del self._turns[text.order]


def _is_alike(text: Text, longest: Text) -> bool:
    return longest.length - text.length <= max(FREE_PADDING, longest.length // PADDING_SHARE)
