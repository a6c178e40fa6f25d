"""The step compiled ahead of time: a file in the cache with code for it, and none of its weights.

The code is made by AOTInductor for any number of tokens, slots and positions; weights, keys and
values stay where the uncompiled model has them, and both use them. It is keyed by everything that
the code depends on, so a file that is there fits.
"""

import hashlib
import inspect
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from serve_daemon.engine.compiled import attention, quantized, step
from serve_daemon.engine.compiled.sequences import NOWHERE, SMALLEST_BATCH
from serve_daemon.engine.compiled.step import Forward, Step
from serve_daemon.engine.kernels import operators

SUFFIX = ".pt2"
MAX_TOKENS = 8192  # of one step; what is compiled holds up to there
SETTINGS = {
    "aot_inductor.package_constants_in_so": False,
    "cpp.dynamic_threads": True,  # the number of threads may change between two steps
    "compile_threads": 1,
}
# What a config says of other things than the computation.
NAMES = frozenset({"_name_or_path", "transformers_version", "architectures", "dtype"})


def file_for(model: Any, cache: Path, kv_cache_dtype: str = "auto") -> Path:
    """Where the package of `model` is, or will be. The weights' values don't matter."""
    key = _key(model, kv_cache_dtype)
    return cache / "compiled" / f"{type(model).__name__}-{key}{SUFFIX}"


def build(module: Step, target: Path) -> None:
    """Compile `module` into `target`, which appears whole or not at all."""
    program = torch.export.export(
        module, example(module.model.device), dynamic_shapes=_shapes(), strict=False
    )
    partial = target.with_name(f"{target.stem}.partial{SUFFIX}")
    torch._inductor.aoti_compile_and_package(  # noqa: SLF001 - documented under this name
        program, package_path=str(partial), inductor_configs=SETTINGS
    )
    partial.rename(target)


def load(file: Path, module: Step) -> Forward:
    """What computes as `module` does, with its weights and caches, by the code in `file`.

    Raises `RuntimeError` where the file does not fit.
    """
    # What torch._inductor.aoti_load_package wraps; its import takes a second, its call parses JSON.
    with _unpacked_files_removed():
        runner = torch._C._aoti.AOTIModelPackageLoader(str(file), "model", True, 1, -1)  # noqa: SLF001
    tensors: dict[str, torch.Tensor] = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    names = runner.get_constant_fqns()
    if missing := [name for name in names if name not in tensors]:
        raise RuntimeError(f"{file} asks for {missing[0]}, which the model doesn't have")
    constants = {name: tensors[name].detach() for name in names}
    runner.load_constants(constants, False, True, True)  # all of them, kept where they are

    def forward(*places: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = runner.boxed_run(list(places))[0]
        return logits

    return forward


def example(device: torch.device) -> tuple[torch.Tensor, ...]:
    """What a step takes, of no sequence: nothing is stored anywhere."""
    places = torch.arange(5, device=device)
    return places, torch.full_like(places, NOWHERE), places.clone(), places[:3].clone()


def _shapes() -> tuple[dict[int, Any], ...]:
    tokens = torch.export.Dim("tokens", min=SMALLEST_BATCH, max=MAX_TOKENS)
    rows = torch.export.Dim("rows", min=SMALLEST_BATCH, max=MAX_TOKENS)
    return {0: tokens}, {0: tokens}, {0: tokens}, {0: rows}


def _key(model: Any, kv_cache_dtype: str) -> str:
    config = {k: v for k, v in model.config.to_dict().items() if k not in NAMES}
    tensors = {
        name: (str(tensor.dtype), str(tensor.device), list(tensor.shape))
        for name, tensor in model.state_dict().items()
    }
    parts = [
        json.dumps(config, sort_keys=True, default=str),
        json.dumps(tensors, sort_keys=True),
        kv_cache_dtype,
        torch.__version__,
        transformers.__version__,
        quantized.version_of(model),
        torch.backends.cpu.get_cpu_capability(),
        _processor_flags(),
        *_sources(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor_flags() -> str:
    """What the compiler makes use of: code for one processor does not run on every other."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _sources() -> Iterator[str]:
    """The code that is compiled, or that it calls, as far as it is ours."""
    for module in (attention, quantized, step, operators):
        yield inspect.getsource(module)


@contextmanager
def _unpacked_files_removed() -> Iterator[None]:
    """Remove the copy of the code that is loaded: it stays mapped, and would outlive us."""
    before = _mapped_files()
    try:
        yield
    finally:
        for file in _mapped_files() - before:
            # AOTInductor's loader unpacks there, whatever TMPDIR says.
            folder = next((each for each in file.parents if each.parent == Path("/tmp")), None)  # noqa: S108
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def _mapped_files() -> set[Path]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]) for line in lines if line.endswith(".so")}
