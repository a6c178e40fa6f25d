"""Where the time of a decode step goes, beside what the machine could do at best.

    make bench-profile

The engine runs in this process. Its steps are timed alone, then watched from another thread, then
profiled by torch, which costs time: shares are of the profiled step, milliseconds of the other.
"""

import argparse
import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

import limits
import sections
from bench import machine
from contestants import ENGINES
from decoding import SETTLING_STEPS, Decoding, gaps
from engine_here import Here, engine_here, spec_of
from limits import Demand, Limits
from processes import SOURCE
from stacks import Stacks, merged
from step_groups import GROUPS, Head, Operation, seconds_by_group
from workload import label

NUM_FUNCTIONS = 8
MICROSECOND = 1e-6
# Of inductor: the kernels that it makes then tell the profiler their names, and when they begin.
NAMED_KERNELS = "TORCHINDUCTOR_CPP_ENABLE_KERNEL_PROFILE"


@dataclass(frozen=True, slots=True)
class Profile:
    """Of the decode steps of one engine, with so many streams."""

    num_streams: int
    context_tokens: int
    step_seconds: float  # the median, unwatched
    shares: dict[str, float]  # by group, of a profiled step
    functions: list[tuple[str, float]]  # of Python, with the share of the thread's time
    demand: Demand


def profile(here: Here, num_streams: int, num_steps: int, prompt_tokens: int) -> Profile:
    """Raises `ServerError` where the engine fails."""
    new_tokens = 4 * (num_steps + SETTLING_STEPS) + prompt_tokens
    decoding = Decoding(here, num_streams, prompt_tokens, new_tokens)
    decoding.settle()
    plain = statistics.median(gaps(decoding.steps(num_steps + 1)))
    stacks = Stacks()
    with stacks.watching():
        decoding.steps(num_steps)
    operations, seconds = operations_of(decoding, num_steps, here.loaded.device)
    decoding.end()
    facts = here.engine.facts()
    found = seconds_by_group(operations, seconds, head_of(here.loaded.model))
    context = prompt_tokens + 2 * num_steps
    return Profile(
        num_streams,
        context,
        plain,
        {group: each / seconds for group, each in found.items()},
        merged(stacks.busiest(), NUM_FUNCTIONS),
        limits.demand_of(here.loaded.model, facts.weights_bytes, num_streams, context),
    )


def head_of(model: Any) -> Head:
    head = model.get_output_embeddings()
    weight = getattr(head, "packed_weight", None)
    shape = (head.weight if weight is None else weight).shape
    return Head(model.config.get_text_config().vocab_size, tuple(shape))


def profiler_of(device: str) -> Any:
    """PyTorch's, of all threads, and with the shapes that operations get."""
    import torch
    from torch._C._profiler import _ExperimentalConfig
    from torch.profiler import ProfilerActivity

    return torch.profiler.profile(
        activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device != "cpu" else [])],
        record_shapes=True,
        experimental_config=_ExperimentalConfig(profile_all_threads=True),
    )


def operations_of(decoding: Decoding, num_steps: int, device: str) -> tuple[list[Operation], float]:
    """What ran during so many steps, and how long they took while they were profiled."""
    with profiler_of(device) as profiler:
        decoding.catch_up()  # the engine did not wait until the profiler had begun
        times = decoding.steps(num_steps + 1)
    events = profiler.events() or []
    found = _of_busiest_thread(events) if device == "cpu" else _kernels(events)
    return found, times[-1] - times[0]


def _of_busiest_thread(events: Iterable[Any]) -> list[Operation]:
    by_thread: dict[int, list[Operation]] = {}
    for each in events:
        operation = Operation(
            each.name, each.self_cpu_time_total * MICROSECOND, each.input_shapes or ()
        )
        by_thread.setdefault(each.thread, []).append(operation)
    return max(by_thread.values(), key=lambda every: sum(one.seconds for one in every), default=[])


def _kernels(events: Iterable[Any]) -> list[Operation]:
    return [
        Operation(each.name, each.self_device_time_total * MICROSECOND)
        for each in events
        if str(each.device_type).endswith("CUDA")
    ]


def table(name: str, found: Profile, limit: Limits) -> str:
    """Markdown: the step beside its limits, its groups, and where Python was."""
    best_for_bytes, best_for_operations = found.demand.seconds_at(limit)
    step = found.step_seconds
    lines = [
        f"### {name}, {label(found.num_streams)} of about {found.context_tokens} tokens",
        "",
        f"- a step: {step * 1e3:.2f} ms, {found.num_streams / step:.1f} tokens/s",
        _best(f"reading {found.demand.bytes_read / 1e6:.0f} MB", best_for_bytes, step),
        _best(f"{found.demand.operations / 1e9:.2f} GFLOP", best_for_operations, step),
        "",
        "| part | share of the step | ms |",
        "| --- | ---: | ---: |",
        *(
            f"| {group} | {found.shares[group]:.1%} | {found.shares[group] * step * 1e3:.3f} |"
            for group in GROUPS
        ),
        "",
        "| the computing thread, innermost function of Python | share of samples |",
        "| --- | ---: |",
        *(f"| `{function}` | {share:.1%} |" for function, share in found.functions),
    ]
    return "\n".join(lines)


def _best(what: str, best_seconds: float, step_seconds: float) -> str:
    share = best_seconds / step_seconds
    return f"- at best, {what}: {best_seconds * 1e3:.2f} ms, {share:.0%} of the step"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--engine", nargs="+", default=list(ENGINES))
    add("--source", default=SOURCE)
    add("--gguf", nargs="+", default=["auto"], help="keep, dequantize: of a GGUF file's weights")
    add("--dtype", default="bfloat16")
    add("--device", default="cpu")
    add("--load-format", default="auto", help="dummy: random weights")
    add("--cache", type=Path, help="where converted weights and packages are; by default nowhere")
    add("--streams", type=int, nargs="+", default=[1, 16])
    add("--steps", type=int, default=40)
    add("--prompt-tokens", type=int, default=128)
    add("--note", default="", help="what else is to be known of this run")
    add("--write", action=argparse.BooleanOptionalAction, help="write the section of RESULTS.md")
    return parser.parse_args()


def about(limit: Limits, chosen: argparse.Namespace) -> str:
    return (
        f"Written by `make bench-profile`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}."
        f" Measured just before: {limit.bytes_per_second / 1e9:.1f} GB/s read,"
        f" {limit.operations_per_second / 1e9:.0f} GFLOP/s multiplying bfloat16 matrices."
        f" {chosen.note}"
    ).strip()


def profiles(engine: str, gguf: str, chosen: argparse.Namespace) -> Iterator[str]:
    """The tables of one engine, after what the machine can do."""
    os.environ[NAMED_KERNELS] = "1"  # read where the step is compiled
    with tempfile.TemporaryDirectory() as directory:
        spec = msgspec.structs.replace(spec_of(engine, chosen), gguf=gguf)
        here = engine_here(spec, chosen.cache or Path(directory))
        with ThreadPoolExecutor(1) as measuring:  # whose pool of OpenMP threads ends with it
            limit = measuring.submit(limits.measure, here.loaded.device).result()
        yield about(limit, chosen)
        with profiler_of(here.loaded.device):
            pass  # the first of a process takes many steps to begin
        for num_streams in chosen.streams:
            found = profile(here, num_streams, chosen.steps, chosen.prompt_tokens)
            yield table(f"{engine}, gguf = {gguf}", found, limit)


def in_a_process_of_its_own(engine: str, gguf: str) -> str:
    """The same: an engine that waits keeps threads, which slow the next one down."""
    command = [sys.executable, __file__, *sys.argv[1:], "--no-write"]
    alone = ["--engine", engine, "--gguf", gguf]
    return subprocess.run([*command, *alone], stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    chosen = options()
    setups = list(product(chosen.engine, chosen.gguf))
    parts: list[str] = []
    if len(setups) > 1:
        parts += [in_a_process_of_its_own(*setup).strip() for setup in setups]
    else:
        for part in profiles(*setups[0], chosen):
            print(part, end="\n\n", flush=True)
            parts.append(part)
    if chosen.write:
        sections.store(sections.PROFILE, "\n\n".join(parts))
    os._exit(0)  # a computing thread may still wait for work


if __name__ == "__main__":
    main()
