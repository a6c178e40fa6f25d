"""The configuration looked at without a daemon: checked, and as it would hold."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from serve_daemon.cli.connection import EXIT_REFUSED, fail
from serve_daemon.cli.daemon import DEFAULT_CONFIG
from serve_daemon.config.directories import cache_directory
from serve_daemon.config.doubts import doubts, doubts_of_access
from serve_daemon.config.effective import effective
from serve_daemon.config.load import Loaded, Sources, load
from serve_daemon.config.origins import origins
from serve_daemon.config.probe import Probe, cached, store
from serve_daemon.config.problems import ConfigError, Problem

PROBE_TIMEOUT_SECONDS = 120.0


def check(file: Path | None, *, with_probe: bool) -> str:
    """One line that says what was found good; leaves with every problem if something is not.

    What may fail is told on stderr; with the probe, also what may on this machine.
    """
    sources = _sources(file)
    loaded = _load(sources)
    warnings = doubts_of_access(loaded) + (_warnings(sources, loaded) if with_probe else [])
    for each in warnings:
        click.echo(f"{click.style('warning', fg='yellow')}: {each}", err=True)
    found = "no problem found" if not warnings else f"no problem found, warnings: {len(warnings)}"
    models = ", ".join(loaded.models) or "none"
    return f"{sources.main or 'the embedded default'}: {found}; models: {models}"


def effective_of(file: Path) -> dict[str, Any]:
    """Every key with the value that would hold; leaves with every problem if there is one."""
    return effective(_load(_sources(file)))


def origins_of(file: Path, text: str | None = None, text_of: Path | None = None) -> dict[str, str]:
    """Where the keys of a file are set, with a text in place of one of its files if it is given."""
    return origins(loaded_with(file, text, text_of))


def loaded_with(file: Path, text: str | None, text_of: Path | None) -> Loaded:
    """The configuration, as said there; leaves with every problem if there is one."""
    return _load(msgspec.structs.replace(_sources(file), text=text, text_of=text_of))


def _sources(file: Path | None) -> Sources:
    main = file or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    return Sources(main=main, environment=dict(os.environ), is_daemon=False)


def _warnings(sources: Sources, loaded: Loaded) -> list[Problem]:
    """What may fail here; leaves with every problem that this machine has with the file."""
    cache, python = str(cache_directory()), loaded.config.engine.python
    probe = _probe_of(cache, python)
    if probe is not None:
        loaded = _load(msgspec.structs.replace(sources, cache_directory=cache))
    return doubts(loaded, probe)


def _load(sources: Sources) -> Loaded:
    try:
        return load(sources)
    except ConfigError as error:
        fail(str(error), EXIT_REFUSED)


def _probe_of(cache: str, python: str) -> Probe | None:
    """What engines can do here; finds out if it is not known, and says if it can't."""
    if (known := cached(cache, python)) is not None:
        return known
    try:
        probe = _probe(python)
        store(cache, python, probe)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
        reason = _last_line(getattr(error, "stderr", None)) or error
        click.echo(f"not checked against this machine, it can't be probed: {reason}", err=True)
        return None
    return probe


def _probe(python: str) -> Probe:
    command = [python or sys.executable, "-m", "serve_daemon.engine", "--probe"]
    done = subprocess.run(
        command, capture_output=True, check=True, text=True, timeout=PROBE_TIMEOUT_SECONDS
    )
    return msgspec.json.decode(done.stdout, type=Probe)


def _last_line(text: str | None) -> str:
    return (text or "").strip().rpartition("\n")[2]
