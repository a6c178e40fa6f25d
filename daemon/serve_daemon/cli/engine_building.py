"""Making an environment for engines, and having it prove that it works."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

import click
import msgspec
from msgspec import Struct

import serve_daemon
from serve_daemon.cli.engine_environments import FACTS, PYTHON, Environments, Facts
from serve_daemon.cli.engine_errors import EngineSetupError
from serve_daemon.cli.engine_locks import Lock
from serve_daemon.cli.status import size
from serve_daemon.config.probe import Probe
from serve_daemon.engine.death import die_with_parent

# The code that is run in it: that of this command, whichever version it becomes.
PACKAGE = Path(serve_daemon.__file__).resolve().parent
PROOF_SECONDS = 600.0
PROOF_LINES = 12  # of what a failed one has written
STDERR = 2
_TEMPORARY = "temporary"  # within what is made: on the same disk, and gone with it
_WHEELS = (Path("/usr/share/python-wheels"), Path("/usr/share/python-pip-wheels"))  # distributions'


class Origin(Struct, frozen=True):
    """Where packages come from."""

    wheelhouse: Path | None = None  # this alone, where it is given
    index_url: str = ""  # "": pip's own choice
    extra_index_urls: tuple[str, ...] = ()


def build(environments: Environments, lock: Lock, origin: Origin) -> str:
    """Make the environment of a lock, and prove it. Returns its name.

    Raises `EngineSetupError`, having left nothing.
    """
    name = lock.key(PACKAGE)
    _demand_room(environments.directory, lock.needed_bytes(origin.wheelhouse))
    os.umask(0o022)  # the service's user is to read it
    click.echo(f"packages of {lock.name}: {len(lock.packages)}", err=True)
    with environments.under_way() as made:
        _make(made)
        _install(made, lock, origin)
        _link_own_code(made)
        click.echo("trying it", err=True)
        probe = prove(made)
        facts = Facts(
            lock=lock.name,
            made=time.time(),
            bytes=_bytes_of(made),
            versions=probe.versions,
            devices=probe.devices,
        )
        (made / FACTS).write_bytes(msgspec.json.format(msgspec.json.encode(facts)) + b"\n")
        environments.place(made, name)
    return name


def prove(environment: Path) -> Probe:
    """Have it say what its torch can do here. Raises `EngineSetupError` if it can't."""
    scratch = environment / _TEMPORARY
    scratch.mkdir(exist_ok=True)
    command = [str(environment / PYTHON), "-IB", "-m", "serve_daemon.engine", "--probe"]
    try:
        done = _run(command, {"CACHE_DIRECTORY": str(scratch)}, is_read=True)
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout, type=Probe)
        reason = "\n".join(done.stderr.splitlines()[-PROOF_LINES:]) or f"status {done.returncode}"
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as error:
        reason = str(error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    raise EngineSetupError(f"no engine works in it:\n{reason}")


def _demand_room(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise EngineSetupError(
            f"{directory}: {size(needed)} are needed and {size(free)} are free;"
            " servectl engine remove takes away what is not current"
        )


def _make(environment: Path) -> None:
    """An empty environment of our own interpreter."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(environment)


def _install(environment: Path, lock: Lock, origin: Origin) -> None:
    scratch = environment / _TEMPORARY
    scratch.mkdir()
    requirements = scratch / "lock.txt"
    requirements.write_text(lock.text, "utf-8")
    command = [*_pip(environment), *_arguments(origin), "--requirement", str(requirements)]
    settings = {"TMPDIR": str(scratch)}
    if origin.wheelhouse is not None:
        settings["PIP_CONFIG_FILE"] = os.devnull  # it may name indexes
    done = _run(command, settings, is_isolated=origin.wheelhouse is not None)
    if done.returncode:
        raise EngineSetupError("pip has failed, see above: nothing has changed")
    # They know where they were made, and nobody needs them.
    for each in (environment / "bin").iterdir():
        if not each.name.startswith("python"):
            each.unlink()


def _arguments(origin: Origin) -> Iterator[str]:
    yield from ("install", "--require-hashes", "--only-binary", ":all:", "--no-cache-dir")
    yield from ("--disable-pip-version-check", "--no-input", "--no-warn-script-location")
    yield from ("--root-user-action", "ignore")
    if not sys.stderr.isatty():
        yield from ("--progress-bar", "off")
    if origin.wheelhouse is not None:
        yield from ("--no-index", "--find-links", str(origin.wheelhouse))
    if origin.index_url:
        yield from ("--index-url", origin.index_url)
    for each in origin.extra_index_urls:
        yield from ("--extra-index-url", each)


def _pip(environment: Path) -> list[str]:
    """Pip run by the environment's interpreter: our pip, else the system's."""
    python = [str(environment / PYTHON), "-I"]
    # Not by all finders: setuptools' gives up its own distutils once anybody asks it for pip.
    found = PathFinder.find_spec("pip")
    if found is not None and found.origin is not None:
        runner = Path(found.origin).with_name("__pip-runner__.py")
        if runner.exists():
            return [*python, str(runner)]
    ensured = Path(sysconfig.get_path("stdlib")) / "ensurepip/_bundled"
    wheels = [each for folder in (*_WHEELS, ensured) for each in folder.glob("pip-*.whl")]
    if not wheels:
        raise EngineSetupError("there is no pip: apt install python3-pip-whl, or python3-venv")
    return [*python, f"{max(wheels)}/pip"]


def _link_own_code(environment: Path) -> None:
    (packages,) = environment.glob("lib/python3*/site-packages")
    (packages / PACKAGE.name).symlink_to(PACKAGE)


def _run(
    command: list[str],
    settings: dict[str, str],
    *,
    is_read: bool = False,
    is_isolated: bool = False,
) -> subprocess.CompletedProcess[str]:
    """A program that goes when this one does; what it writes goes to stderr, or is read."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (is_isolated and name.startswith("PIP_"))
    }
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if is_read else STDERR,
        stderr=subprocess.PIPE if is_read else None,
        timeout=PROOF_SECONDS if is_read else None,
        env=kept | settings,
        preexec_fn=die_with_parent,
        check=False,
        text=True,
    )


def _bytes_of(folder: Path) -> int:
    return sum(each.lstat().st_size for each in folder.rglob("*"))
