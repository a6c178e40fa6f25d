"""The step compiled ahead of time: a file in the cache with code for it, and none of its weights.

The code is made by AOTInductor for any number of tokens, slots and positions; weights, keys and
values stay where the uncompiled model has them, and both use them. It is keyed by everything that
the code depends on, so a file that is there fits.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from serve_daemon.engine.compiled import quantized
from serve_daemon.engine.compiled.sequences import NOWHERE, SMALLEST_BATCH
from serve_daemon.engine.compiled.step import Forward, Step
from serve_daemon.engine.kernels import build as build_kernels
from serve_daemon.engine.kernels.block_layers import BlockEmbedding, BlockLinear
from serve_daemon.engine.maps import mappings

SUFFIX = ".pt2"
MAX_TOKENS = 8192  # of one step; what is compiled holds up to there
SETTINGS = {
    "aot_inductor.package_constants_in_so": False,
    "cpp.dynamic_threads": True,  # the number of threads may change between two steps
    "compile_threads": 1,
    # What takes more operations is stored where several read it: cosines and sines, residuals.
    "realize_opcount_threshold": 5,
}
HERE = Path(__file__).parent
SOURCES = [
    HERE / f"{name}.py"
    for name in (
        "attention",
        "caches",
        "layers",
        "package",
        "prepare",
        "quantized",
        "siblings",
        "step",
    )
]
KERNELS = Path(build_kernels.__file__).parent
# What a config says of other things than the computation.
NAMES = frozenset({"_name_or_path", "transformers_version", "architectures", "dtype"})


def file_for(model: Any, cache: Path, kv_cache_dtype: str = "auto") -> Path:
    """Where the package of `model` is, or will be. The weights' values don't matter."""
    key = _key(model, kv_cache_dtype)
    return cache / "compiled" / f"{type(model).__name__}-{key}{SUFFIX}"


def build(module: Step, target: Path) -> None:
    """Compile `module` into `target`, which appears whole or not at all."""
    from serve_daemon.engine.compiled import siblings  # with torch.export, which takes its time

    program = torch.export.export(
        module, example(module.model.device), dynamic_shapes=_shapes(), strict=False
    )
    siblings.merge(program)
    partial = target.with_name(f"{target.stem}.partial{SUFFIX}")
    torch._inductor.aoti_compile_and_package(  # noqa: SLF001 - documented under this name
        program, package_path=str(partial), inductor_configs=SETTINGS
    )
    partial.rename(target)


class Code:
    """A package that is loaded. Raises `RuntimeError` where it can't be."""

    def __init__(self, file: Path) -> None:
        # What torch._inductor.aoti_load_package wraps; its import takes a second.
        with _unpacked_files_removed():
            self._runner = torch._C._aoti.AOTIModelPackageLoader(  # noqa: SLF001
                str(file), "model", True, 1, -1
            )
        self.file = file

    def with_tensors(self, tensors: Mapping[str, torch.Tensor]) -> Forward:
        """What computes as the step does, on the `tensors` where they are.

        Raises `RuntimeError` where it needs others.
        """
        names = self._runner.get_constant_fqns()
        if missing := [name for name in names if name not in tensors]:
            raise RuntimeError(f"{self.file} asks for {missing[0]}, which the model doesn't have")
        constants = {name: tensors[name].detach() for name in names}
        self._runner.load_constants(constants, False, True, True)  # all of them, and no copies

        def forward(*places: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self._runner.boxed_run(list(places))[0]
            return logits

        return forward


def load(file: Path, module: Step) -> Forward:
    """What computes as `module` does, with its weights and caches, by the code in `file`.

    Raises `RuntimeError` where the file does not fit.
    """
    return Code(file).with_tensors(tensors_of(module))


def tensors_of(module: Step) -> dict[str, torch.Tensor]:
    """All that the code may ask for, caches included, by name."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


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
    layouts = {
        name: module.layout
        for name, module in model.named_modules()
        if isinstance(module, BlockLinear | BlockEmbedding)
    }
    parts = [
        json.dumps(config, sort_keys=True, default=str),
        json.dumps([tensors, layouts], sort_keys=True),
        kv_cache_dtype,
        quantized.version_of(model),
        *environment(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def environment() -> list[str]:
    """All that the code depends on beside the model; call `kernels.build.load` before."""
    library = build_kernels.library()
    return [
        torch.__version__,
        version("transformers"),
        torch.backends.cpu.get_cpu_capability(),
        _processor_flags(),
        str(library and library.serve_daemon_level()),
        *_sources(),
    ]


def _processor_flags() -> str:
    """What the compiler makes use of: code for one processor does not run on every other."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _sources() -> Iterator[str]:
    """The code that is compiled, or that it calls, as far as it is ours."""
    for file in (*SOURCES, *sorted(KERNELS.glob("*.py"))):
        yield file.read_text(encoding="utf-8")


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
    return {each.file for each in mappings() if each.file.suffix == ".so"}
