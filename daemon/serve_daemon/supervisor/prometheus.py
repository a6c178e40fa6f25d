"""Prometheus' text format 0.0.4. Pure."""

from collections.abc import Iterable, Mapping, Sequence

Labels = Mapping[str, str]
Sample = tuple[Labels, float]

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    """A gauge or a counter, its head and a line for each sample."""
    lines = [_head(name, kind, about)]
    lines += [f"{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples]
    return "".join(lines)


def histogram(
    name: str,
    about: str,
    bounds: Sequence[float],
    samples: Iterable[tuple[Labels, Sequence[float]]],
) -> str:
    """Of each sample the sum, then how often a value was in each bucket, those below not included.

    The last bucket has no bound.
    """
    lines = [_head(name, "histogram", about)]
    for labels, (total, *counts) in samples:
        seen = 0.0
        for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=False):
            seen += count
            lines.append(f"{name}_bucket{_labels({**labels, 'le': bound})} {_number(seen)}\n")
        lines.append(f"{name}_sum{_labels(labels)} {_number(total)}\n")
        lines.append(f"{name}_count{_labels(labels)} {_number(seen)}\n")
    return "".join(lines)


def _head(name: str, kind: str, about: str) -> str:
    return f"# HELP {name} {about}\n# TYPE {name} {kind}\n"


def _labels(labels: Labels) -> str:
    inner = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
