"""The bundle of a bug report: what is in it, each part collected for itself, and the archive."""

import contextlib
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

import serve_daemon
from serve_daemon.cli import machine_facts, redaction
from serve_daemon.cli.connection import call, connected
from serve_daemon.config import directories
from serve_daemon.config.files import read_files
from serve_daemon.config.probe import cached
from serve_daemon.control.client import ControlError, Unreachable

MODE = 0o600
LOG_RECORDS = 1000  # of all programs together, the last ones
MODEL_RECORDS = 200
README = """\
A report about serve-daemon, made by `servectl bug-report`.

Taken out: hashes and keys of clients, tokens, passwords in addresses, prompts, the addresses of
clients, the name of this machine. Still in it: names and sources of models, paths, names of keys,
ids of requests. Look through it before you pass it on.

"""


class Part(Struct, frozen=True):
    """A file of the bundle."""

    name: str
    about: str
    content: str


class Facts(Struct, frozen=True):
    """What parts are about: the daemon's answer, if one has answered."""

    status: dict[str, Any] | None
    why_not: str = ""

    @property
    def pid(self) -> int:
        return int(self.status["daemon"]["pid"]) if self.status else os.getpid()

    @property
    def main(self) -> Path | None:
        path = Path(self.status["daemon"]["config"]) if self.status else Path("/etc/serve.toml")
        return path if path.is_absolute() and path.exists() else None


def facts() -> Facts:
    try:
        return Facts(call("Status", lines=MODEL_RECORDS))
    except (Unreachable, ControlError) as error:
        return Facts(None, str(error))


def parts(about: Facts) -> list[Part]:
    """All of them; one that can't be had says why."""
    collected = [
        Part(name, text, redaction.text(_tried(collect, about)))
        for name, text, collect in _COLLECTED
    ]
    return [each for each in collected if each.content]


def write(file: Path, contents: Iterable[Part]) -> None:
    """Make the archive, for its owner alone.

    Raises `FileExistsError` where there is a file, and another `OSError`; either leaves nothing.
    """
    contents = list(contents)
    listing = "".join(f"{each.name:<22}{each.about}\n" for each in contents)
    every = [Part("README", "", README + listing), *contents]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    try:
        with open(descriptor, "wb") as opened, tarfile.open(fileobj=opened, mode="w:gz") as archive:  # noqa: PTH123 - a descriptor has no path
            folder = file.name.removesuffix(".tar.gz")
            for each in every:
                _add(archive, f"{folder}/{each.name}", each.content.encode())
    except BaseException:  # Ctrl-C, too, leaves nothing half done
        file.unlink()
        raise


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), MODE, int(time.time())
    archive.addfile(entry, io.BytesIO(content))


def _tried(collect: Callable[[Facts], str], about: Facts) -> str:
    try:
        return collect(about)
    except Unreachable:
        return ""  # said once, in versions.json
    except (ControlError, OSError, ValueError) as error:
        return f"not to be had: {error}"


# ---------------------------------------------------------------- what is collected


def _versions(about: Facts) -> str:
    daemon = about.status["daemon"]["version"] if about.status else about.why_not
    return _json({"servectl": serve_daemon.__version__, "daemon": daemon} | machine_facts.system())


def _status(about: Facts) -> str:
    return _json(about.status) if about.status else ""


def _config(_about: Facts) -> str:
    import tomli_w

    return tomli_w.dumps(redaction.document(call("GetConfig")["config"]))


def _origins(_about: Facts) -> str:
    return _json(call("GetOrigins")["origins"])


def _files(about: Facts) -> str:
    if about.main is None:
        return ""
    files, problems = read_files(about.main, None)
    texts = [f"# ---- {each.path}\n{each.text}" for each in files]
    return "\n".join([*texts, *(f"# ---- {each.render()}" for each in problems)])


def _events(_about: Facts) -> str:
    return _stream("Events", "event", since=1, follow=False)


def _logs(_about: Facts) -> str:
    return _stream("Logs", "record", lines=LOG_RECORDS, follow=False)


def _metrics(_about: Facts) -> str:
    return str(call("Metrics")["text"])


def _history(_about: Facts) -> str:
    kept = call("History")
    return _json([{**each, "files": list(each["files"])} for each in kept["entries"]])


def _hardware(_about: Facts) -> str:
    return _json(machine_facts.hardware())


def _limits(about: Facts) -> str:
    models = about.status["models"] if about.status else []
    pids = [about.pid, *(each["pid"] for each in models if each["pid"])]
    return "\n\n".join(map(machine_facts.limits, pids))


def _variables(about: Facts) -> str:
    return machine_facts.variables(about.pid) if about.status else ""


def _engine_python() -> str:
    with contextlib.suppress(Unreachable, ControlError):
        return str(call("GetConfig")["config"]["engine"]["python"])
    return ""


def _probe(_about: Facts) -> str:
    probe = cached(str(directories.cache_directory()), _engine_python())
    return "" if probe is None else _json(_plain(probe))


def _packages(_about: Facts) -> str:
    return machine_facts.packages("")


def _engine_packages(_about: Facts) -> str:
    python = _engine_python()
    return machine_facts.packages(python) if python else ""


def _unit(_about: Facts) -> str:
    return machine_facts.unit()


_COLLECTED: tuple[tuple[str, str, Callable[[Facts], str]], ...] = (
    ("versions.json", "of servectl, the daemon, Python, the kernel", _versions),
    ("status.json", "daemon, gateway, models and their last log records", _status),
    ("config.toml", "the effective configuration", _config),
    ("origins.json", "where each key is set", _origins),
    ("files.toml", "the configuration files as they stand", _files),
    ("history.json", "which configurations worked, and when", _history),
    ("events.jsonl", "what has happened since the start", _events),
    ("logs.jsonl", "the last log records", _logs),
    ("metrics.txt", "the metrics page", _metrics),
    ("hardware.json", "processor, memory, GPUs", _hardware),
    ("probe.json", "what engines can do here", _probe),
    ("limits.txt", "control groups and limits of the daemon and its engines", _limits),
    ("variables.txt", "environment of the daemon: names, and harmless values", _variables),
    ("packages-daemon.txt", "Python packages of supervisor and gateway", _packages),
    ("packages-engine.txt", "Python packages of the engines", _engine_packages),
    ("unit.txt", "properties of the unit", _unit),
)


def _stream(method: str, item: str, **parameters: Any) -> str:
    with connected() as client:
        found = [reply[item] for reply in client.stream(method, **parameters)]
    return "\n".join(json.dumps(redaction.document(each)) for each in found)


def _json(value: Any) -> str:
    return json.dumps(redaction.document(value), indent=2)


def _plain(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)
