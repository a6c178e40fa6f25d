"""A program: compile the step of a model for engine "compiled", as that engine does when idle.

    python -m engine.compiled_step CACHE < SPEC

SPEC is an `EngineSpec` as JSON. An engine that is started with this cache computes by what is
compiled from its first step on; without, it does so whenever that is ready.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

import source
from serve_daemon.wire.messages import EngineSpec

QUIET = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}
PATH = os.pathsep.join(filter(None, [str(source.TESTS), os.environ.get("PYTHONPATH")]))
ENVIRONMENT = {**os.environ, **QUIET, "PYTHONPATH": PATH}


def compile_step(spec: EngineSpec, cache: Path) -> None:
    """Have the program run, if the engine of `spec` is of that kind."""
    if spec.engine == "compiled":
        command = [sys.executable, "-m", "engine.compiled_step", str(cache)]
        subprocess.run(command, input=msgspec.json.encode(spec), env=ENVIRONMENT, check=True)


def main(cache: Path, spec: EngineSpec) -> None:
    from serve_daemon.engine import loader
    from serve_daemon.engine.compiled import build, package
    from serve_daemon.engine.compiled.prepare import prepare

    checkpoint = loader.locate(spec, lambda *_: None)
    loaded = loader.load(spec, checkpoint, cache, lambda *_: None)
    prepare(loaded, spec.kv_cache_dtype)
    target = package.file_for(loaded.model, loaded.cache, spec.kv_cache_dtype)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        order = build.Order(spec, str(checkpoint), str(cache), str(target))
        build._build_in(target.with_suffix(f".{os.getpid()}"), order, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), msgspec.json.decode(sys.stdin.buffer.read(), type=EngineSpec))
