"""What the benchmark on a CPU is to show, and whether it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import report
from figures import Figure, Spread, spread

Q4, BF16 = "serve-daemon compiled Q4_1", "serve-daemon compiled bf16"
Q4_SMALL = "serve-daemon compiled Q4_1, int8 KV"
BATCHING, LLAMA = "transformers serve --continuous-batching", "llama-server"


@dataclass(frozen=True, slots=True)
class Goal:
    """Of one contestant's figure: so many times better than a peer's, or at most so much."""

    ours: str
    figure: str  # the beginning of its name
    bound: float
    peer: str = ""
    keeping: str = ""  # what decides the figure beside the contestant's name


GOALS = (
    Goal(Q4, "1 stream: throughput", 6.0, BATCHING),
    Goal(Q4, "16 streams: throughput", 5.0, BATCHING),
    Goal(Q4, "32 streams: throughput", 5.0, BATCHING),
    Goal(Q4, "1 stream: throughput", 1.5, LLAMA),
    Goal(Q4, "16 streams: throughput", 3.0, LLAMA),
    Goal(Q4, "32 streams: throughput", 3.0, LLAMA),
    Goal(Q4, "long prompts: throughput", 3.0, LLAMA),
    Goal(BF16, "1 stream: throughput", 3.0, BATCHING),
    Goal(BF16, "16 streams: throughput", 4.0, BATCHING),
    Goal(BF16, "32 streams: throughput", 3.0, BATCHING),
    Goal(Q4, "first start of all, exec to the first answer", 12.0),
    Goal(Q4, "exec to the first answer, caches warm", 5.0),
    Goal(Q4, "32 full streams: most memory", 900.0, keeping="keys and values in bfloat16"),
    Goal(Q4_SMALL, "32 full streams: most memory", 900.0, keeping="keys and values in 8 bits"),
    Goal(Q4, "processor time while nobody asks", 1.0),
)

# Two rows are of one wish, and which of them decides is to be seen.
MEMORY = (
    "Of memory the row with keys and values in 8 bits is the one to reach: in bfloat16 those of 32"
    " full streams alone take 745 MB, which leaves 155 MB for weights of 97 MB and all programs."
    " The default is bfloat16, as llama-server's is float16."
)
HEAD = (
    "| | of | against | asked for | measured | reached |\n| --- | --- | --- | ---: | ---: | --- |"
)


def table(rounds: report.Rounds, goals: Sequence[Goal] = GOALS) -> str:
    """Markdown: a row a goal. The median decides; what was not measured is not reached."""
    return "\n".join([HEAD, *(_row(goal, rounds) for goal in goals)])


def section(rounds: report.Rounds) -> str:
    """Markdown: every goal, and what is to be known of them."""
    return f"{table(rounds)}\n\n{MEMORY}"


def found(goal: Goal, rounds: report.Rounds) -> Spread | None:
    """The figure itself, or its advantage; None where it was not measured."""
    ours = rounds.get(goal.ours, [])
    figure = _figure(goal.figure, ours)
    if figure is None:
        return None
    if goal.peer:
        return report.advantage_over(figure, ours, rounds.get(goal.peer, [{}] * len(ours)))
    return spread([each[figure] for each in ours if figure in each])


def is_reached(goal: Goal, measured: Spread) -> bool:
    return measured.median >= goal.bound if goal.peer else measured.median <= goal.bound


def _row(goal: Goal, rounds: report.Rounds) -> str:
    measured = found(goal, rounds)
    if goal.peer:
        unit = " x"
    else:
        figure = _figure(goal.figure, rounds.get(goal.ours, []))
        unit = f" {figure.unit}" if figure else ""
    asked = f"{'at least' if goal.peer else 'at most'} {goal.bound:g}{unit}"
    name = f"{goal.figure}, {goal.keeping}" if goal.keeping else goal.figure
    cells = [name, goal.ours, goal.peer or report.NOTHING, asked]
    if measured is None:
        cells += [report.NOTHING, "not measured"]
    else:
        cells += [f"{report.text(measured)}{unit}", "yes" if is_reached(goal, measured) else "no"]
    return f"| {' | '.join(cells)} |"


def _figure(name: str, rounds: Sequence[Mapping[Figure, float]]) -> Figure | None:
    known = (figure for each in rounds for figure in each)
    return next((figure for figure in known if figure.name.startswith(name)), None)
