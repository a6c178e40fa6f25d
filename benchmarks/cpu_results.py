"""The section of the results that `make bench` writes: from everyone's turns to text."""

from collections.abc import Mapping, Sequence

import goals
import report
from contestants import Contestant, InProcess
from figures import spread
from report import Rounds
from turns import Turn

Turns = Mapping[str, Sequence[Turn]]
Anyone = Contestant | InProcess

MEANINGS = (
    (
        "memory: what is mapped of the server and all processes below it, each page once, whether"
        " other programs on the machine have it too or not; of a daemon these are supervisor,"
        " gateway and engine"
    ),
    (
        "exec to the first answer: of each round's start, when files are cached, the daemon has"
        " converted the weights and `compiled` has its package"
    ),
    (
        "first start of all, full streams, and processor time while nobody asks: once, around the"
        " first round; what a full stream holds are its prompt and its answer"
    ),
)


class Results:
    """Whoever took part, in the order of their turns, and what came of these."""

    def __init__(self, contestants: Sequence[Anyone], turns: Turns, plot: str) -> None:
        self._contestants = contestants
        self._turns = turns
        self._plot = plot

    def body(self, about: Sequence[str]) -> str:
        """The section."""
        reasons = {name: [turn.failure for turn in each] for name, each in self._turns.items()}
        servers = self.servers()
        parts = [
            "Written by `make bench`. Medians, with the lowest and the highest round in brackets.",
            "\n".join(f"- {line}" for line in [*about, load(self._turns), *MEANINGS]),
            "\n".join(f"- {each.name}: `{each.about}`" for each in self._contestants),
            f"### What was asked for\n\n{goals.section(servers)}",
            f"### Measured\n\n{report.table(servers)}",
            *self._ratios(servers),
            *self._shares(),
            report.failures(reasons),
            f"![tokens per second]({self._plot})",
        ]
        return "\n\n".join(parts)

    def servers(self) -> Rounds:
        """What was measured over HTTP."""
        names = [each.name for each in self._contestants if isinstance(each, Contestant)]
        return {name: each for name, each in self._measured().items() if name in names}

    def _measured(self) -> Rounds:
        return {name: [turn.measured for turn in each] for name, each in self._turns.items()}

    def _ratios(self, servers: Rounds) -> list[str]:
        """Of each daemon's to the others'."""
        daemons = [
            each.name
            for each in self._contestants
            if isinstance(each, Contestant) and each.cache is not None
        ]
        others = [name for name in servers if name not in daemons]
        return [
            f"### {name}, times better than\n\n{report.ratios(servers, name, others)}"
            for name in daemons
            if others
        ]

    def _shares(self) -> list[str]:
        measured = self._measured()
        pairs = [
            (each.server, each.name)
            for each in self._contestants
            if isinstance(each, InProcess) and each.server in measured
        ]
        table = report.shares(measured, pairs)
        return [f"### Over HTTP, of what the engine reaches in process\n\n{table}"] if pairs else []


def load(turns: Turns) -> str:
    """How much of the machine others had."""
    busy = spread([turn.others_busy_percent for each in turns.values() for turn in each])
    return (
        f"just before a turn others used {busy.median:.0f} %"
        f" ({busy.low:.0f}…{busy.high:.0f}) of the cores; the client shares them too"
    )
