"""Which part of a step an operation belongs to, by its name and the shapes that it gets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LINEAR, HEAD, ATTENTION = "linear", "lm_head", "attention"
ELEMENTWISE, SAMPLING, OTHER = "norm, rotary, elementwise", "sampling", "other operations"
HOST = "outside of operations: Python, calls, waiting"
GROUPS = (LINEAR, HEAD, ATTENTION, ELEMENTWISE, SAMPLING, OTHER, HOST)

LINEAR_NAMES = ("linear", "mm", "addmm", "gemm", "matmul", "int4pack", "int8pack", "cutlass")
ATTENTION_NAMES = (
    "attention",
    "attend",
    "bmm",
    "baddbmm",
    "softmax",
    "index_select",
    "flash",
    "fmha",
)
ELEMENTWISE_NAMES = (
    *("add", "sub", "mul", "div", "neg", "pow", "mean", "rsqrt", "silu", "gelu", "sigmoid", "tanh"),
    *("cat", "copy", "clone", "norm", "rms", "cos", "sin", "embedding", "elementwise", "reduce"),
    *("triton", "fused", "cpp_"),
)
GENERATED = "cpp_fused"  # in the names of the kernels that a compiled step consists of
SAMPLING_NAMES = ("argmax", "topk", "sort", "multinomial", "cumsum", "choose", "sample")

Shapes = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Head:
    """What tells a model's head from its other linear layers: a size, or its weight's shape."""

    vocabulary: int
    weight: tuple[int, ...] = ()

    def is_met(self, shapes: Shapes) -> bool:
        return any(self.vocabulary in each or tuple(each) == self.weight for each in shapes)


@dataclass(frozen=True, slots=True)
class Operation:
    """One that ran in the computing thread, or a kernel on a GPU, without what it called."""

    name: str
    seconds: float
    shapes: Shapes = ()


def group_of(operation: Operation, head: Head) -> str:
    """What meets the head's sizes is the head if it multiplies, else sampling."""
    name = operation.name.rpartition("::")[2].lower()
    if GENERATED in name:  # and then the names of whatever it computes, or feeds
        return ELEMENTWISE
    multiplies = _has(name, LINEAR_NAMES) and not _has(name, ATTENTION_NAMES)
    if head.is_met(operation.shapes) and "embedding" not in name:
        return HEAD if multiplies else SAMPLING
    by_name = (
        (SAMPLING, SAMPLING_NAMES),
        (ATTENTION, ATTENTION_NAMES),
        (LINEAR, LINEAR_NAMES),
        (ELEMENTWISE, ELEMENTWISE_NAMES),
    )
    return next((group for group, names in by_name if _has(name, names)), OTHER)


def seconds_by_group(
    operations: Iterable[Operation], total_seconds: float, head: Head
) -> dict[str, float]:
    """All of `total_seconds`; what no operation took is the host's."""
    found = dict.fromkeys(GROUPS, 0.0)
    for each in operations:
        found[group_of(each, head)] += each.seconds
    found[HOST] = max(total_seconds - sum(found.values()), 0.0)
    return found


def _has(name: str, parts: Iterable[str]) -> bool:
    return any(part in name for part in parts)
