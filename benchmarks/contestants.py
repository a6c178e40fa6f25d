"""Who takes part: how each server is started, with which flags, and what it can be asked."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from processes import SOURCE, weights

CONTEXT_TOKENS = 1024
MODEL = "smollm2"
LAUNCHER = Path(__file__).with_name("transformers_serve.py")
# Its continuous batching takes more memory than a small machine has unless it is told how much.
BATCHING = ("--continuous-batching", "--cb-num-blocks", "256", "--cb-max-batch-tokens", "256")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server: the command that serves on a port, and the name it knows the model by."""

    name: str
    command: Callable[[int], list[str]]
    model: str
    max_streams: int
    about: str
    environment: dict[str, str] = field(default_factory=dict)
    keeps_a_cache: bool = False


def daemon(engine: str, directory: Path) -> Contestant:
    """This project's, with one engine and everything else at its defaults."""
    settings = f'engine = "{engine}", dtype = "bfloat16"'

    def command(port: int) -> list[str]:
        file = directory / "serve.toml"
        file.write_text(
            f'[server]\nlisten = ["127.0.0.1:{port}"]\n[models.{MODEL}]\nsource = "{SOURCE}"\n'
            + settings.replace(", ", "\n")
            + "\n"
        )
        return [str(Path(sys.executable).with_name("serve-daemon")), "--config", str(file)]

    environment = {
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "XDG_CACHE_HOME": str(directory / "cache"),
    }
    name = f"serve-daemon {engine}"
    return Contestant(name, command, MODEL, sys.maxsize, settings, environment, True)


def transformers_serve(python: str, flags: tuple[str, ...], max_streams: int) -> Contestant:
    """Transformers' own server, in the environment that `python` belongs to."""
    path = weights()
    model = f"{path.parent}:{path.name}"
    flags = ("--dtype", "bfloat16", *flags)

    def command(port: int) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(port)]
        return [python, str(LAUNCHER), "serve", model, *address, *flags]

    what = [flag for flag in ("--continuous-batching", "--compile") if flag in flags]
    name = " ".join(["transformers serve", *what])
    environment = {"HF_HUB_OFFLINE": "1"}
    return Contestant(name, command, model, max_streams, shlex.join(flags), environment)


def llama_server(program: str, num_threads: int) -> Contestant:
    """llama.cpp's. It computes in the file's own Q4_1, not in bfloat16."""
    flags = ("-np", "32", "-c", str(32 * CONTEXT_TOKENS), "-t", str(num_threads))

    def command(port: int) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(port)]
        return [program, "-m", str(weights()), *address, *flags]

    return Contestant("llama-server", command, MODEL, 32, f"{shlex.join(flags)} (Q4_1)")


def everyone(
    engines: list[str], python: str, directory: Path, num_threads: int
) -> list[Contestant]:
    """The daemon with each engine, then its peers, the one that batches first."""
    ours = [daemon(engine, directory / engine) for engine in engines]
    for engine in engines:
        (directory / engine).mkdir()
    peers = [
        transformers_serve(python, BATCHING, sys.maxsize),
        transformers_serve(python, (), 1),
        transformers_serve(python, ("--compile",), 1),
    ]
    program = shutil.which("llama-server")
    return [*ours, *peers, *([llama_server(program, num_threads)] if program else [])]


def versions(python: str) -> str:
    """Of what computes here and in the peer's environment."""
    show = (
        "from importlib.metadata import version as v; import platform;"
        "print('Python', platform.python_version(), 'torch', v('torch'),"
        " 'transformers', v('transformers'))"
    )
    here, peer = (
        subprocess.run([each, "-c", show], check=True, capture_output=True, text=True).stdout
        for each in (sys.executable, python)
    )
    return f"serve-daemon's: {here.strip()}; the peer's: {peer.strip()}"
