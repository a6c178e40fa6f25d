"""Which type a model computes in, from what was asked for and what the CPU can do."""

from collections.abc import Iterable

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # the last is ARM's


def resolve(asked: str, checkpoint: str, device_kind: str, *, cpu_has_bf16: bool) -> str:
    """The type to compute in; `checkpoint` is the type of its weights, "" if it names none.

    On a CPU, 16 bits means bfloat16 where it has the instructions, else float32: it would convert
    back and forth otherwise. A checkpoint that names no type was made to be small: 16 bits.
    """
    if asked != "auto":
        return asked
    if device_kind != "cpu":
        return checkpoint or "bfloat16"
    if checkpoint == "float32":
        return checkpoint
    return "bfloat16" if cpu_has_bf16 else "float32"


def has_bf16(cpu_info: Iterable[str]) -> bool:
    """Whether the lines of /proc/cpuinfo tell of a CPU that computes in bfloat16."""
    return not BF16_FLAGS.isdisjoint(flags_of(cpu_info))


def flags_of(cpu_info: Iterable[str]) -> frozenset[str]:
    """What the lines of /proc/cpuinfo say that the CPU can do."""
    for line in cpu_info:
        name, _, flags = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return frozenset(flags.split())
    return frozenset()


def this_cpu_has_bf16() -> bool:
    return not BF16_FLAGS.isdisjoint(this_cpu_flags())


def this_cpu_flags() -> frozenset[str]:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:  # noqa: PTH123
            return flags_of(lines)
    except OSError:
        return frozenset()
