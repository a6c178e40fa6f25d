"""Who takes part: how each server is started, with which flags, and what it can be asked."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from processes import SOURCE, weights

CONTEXT_TOKENS = 1024
MODEL = "smollm2"
ENGINES = ("continuous", "compiled")
LAUNCHER = Path(__file__).with_name("transformers_serve.py")
IN_PROCESS = Path(__file__).with_name("in_process.py")
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
    cache: Path | None = None  # what its first start leaves for the later ones
    builds_a_package: bool = False  # beside serving, at its first start


@dataclass(frozen=True, slots=True)
class Setup:
    """How the daemon serves: an engine, and further keys of the model whose values are words."""

    name: str
    engine: str
    keys: Mapping[str, str] = field(default_factory=dict)


KEPT, MADE_BFLOAT16 = {"gguf": "keep"}, {"gguf": "dequantize"}
COMPARED = (
    Setup("compiled Q4_1", "compiled", KEPT),
    Setup("compiled Q4_1, int8 KV", "compiled", KEPT | {"kv_cache_dtype": "int8"}),
    Setup("continuous Q4_1", "continuous", KEPT),
    Setup("compiled bf16", "compiled", MADE_BFLOAT16),
)
OTHERS = (Setup("continuous bf16", "continuous", MADE_BFLOAT16),)


@dataclass(frozen=True, slots=True)
class InProcess:
    """An engine of the daemon without HTTP, and the daemon's cache that it starts from."""

    name: str
    setup: Setup
    server: str  # the contestant that serves the same engine
    cache: Path
    about: str

    def command(self, arguments: Sequence[str]) -> list[str]:
        what = ["--engine", self.setup.engine, "--cache", str(self.cache), "--json", "--set"]
        what += [f"{key}={value}" for key, value in self.setup.keys.items()]
        return [sys.executable, str(IN_PROCESS), *what, *arguments]


def daemon(engine: str, directory: Path, source: str = SOURCE, more: str = "") -> Contestant:
    """This project's, with one engine and everything else at its defaults."""
    settings = f'engine = "{engine}", dtype = "bfloat16"{more}'

    def command(port: int) -> list[str]:
        file = directory / "serve.toml"
        file.write_text(
            f'[server]\nlisten = ["127.0.0.1:{port}"]\n[models.{MODEL}]\nsource = "{source}"\n'
            + settings.replace(", ", "\n")
            + "\n"
        )
        return [str(Path(sys.executable).with_name("serve-daemon")), "--config", str(file)]

    cache = directory / "cache"
    environment = {
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "XDG_STATE_HOME": str(directory / "state"),
        "CACHE_DIRECTORY": str(cache),
    }
    return Contestant(
        f"serve-daemon {engine}",
        command,
        MODEL,
        sys.maxsize,
        settings,
        environment,
        cache,
        engine == "compiled",
    )


def transformers_serve(python: str, flags: tuple[str, ...], max_streams: int) -> Contestant:
    """Transformers' own server, in the environment that `python` belongs to."""
    path = weights()
    return transformers_serve_of(f"{path.parent}:{path.name}", python, flags, max_streams)


def transformers_serve_of(
    model: str, python: str, flags: tuple[str, ...], max_streams: int
) -> Contestant:
    """The same with any model that it can load."""
    flags = ("--dtype", "bfloat16", *flags)

    def command(port: int) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(port)]
        return [python, str(LAUNCHER), "serve", model, *address, *flags]

    what = [flag for flag in ("--continuous-batching", "--compile") if flag in flags]
    name = " ".join(["transformers serve", *what])
    environment = {"HF_HUB_OFFLINE": "1"}
    return Contestant(name, command, model, max_streams, shlex.join(flags), environment)


def llama_server(program: str, num_threads: int) -> Contestant:
    """llama.cpp's. It computes in the file's own Q4_1, not in bfloat16.

    It would keep past prompts beside its slots: without, it is faster here and takes less memory.
    """
    slots = ("-np", "32", "-c", str(32 * CONTEXT_TOKENS))
    flags = (*slots, "-t", str(num_threads), "--cache-ram", "0")

    def command(port: int) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(port)]
        return [program, "-m", str(weights()), *address, *flags]

    return Contestant("llama-server", command, MODEL, 32, shlex.join(flags))


def daemons(
    setups: Sequence[Setup], directory: Path, source: str = SOURCE, more: str = ""
) -> list[Contestant]:
    """The daemon in each setup, each with directories of its own."""
    found = []
    for setup in setups:
        own = directory / re.sub(r"\W+", "-", setup.name)
        own.mkdir()
        keys = "".join(f', {key} = "{value}"' for key, value in setup.keys.items())
        contestant = daemon(setup.engine, own, source, f"{keys}{more}")
        found.append(replace(contestant, name=f"serve-daemon {setup.name}"))
    return found


def in_process(setups: Sequence[Setup], servers: Sequence[Contestant]) -> list[InProcess]:
    """The engines of `servers`, which are the daemon in those setups, without them."""
    return [
        InProcess(f"{setup.name} in process", setup, each.name, each.cache, each.about)
        for setup, each in zip(setups, servers, strict=True)
        if each.cache is not None
    ]


def peers(python: str, program: str | None, num_threads: int) -> list[Contestant]:
    """Those that the daemon is compared with. `program` is a llama-server, if there is one."""
    return [
        transformers_serve(python, BATCHING, sys.maxsize),
        *([llama_server(program, num_threads)] if program else []),
    ]


def other_peers(python: str) -> list[Contestant]:
    """Those of Transformers' that serve one request at a time."""
    return [transformers_serve(python, flags, 1) for flags in ((), ("--compile",))]


def version_of_llama(program: str) -> str:
    """Its number and commit, as it prints them to its standard error."""
    ran = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    found = re.search(r"version: .*", ran.stderr + ran.stdout)
    return f"llama-server's {found.group()}" if found else "llama-server, of an unknown version"


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
