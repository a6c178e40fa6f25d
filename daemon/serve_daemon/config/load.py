"""Reading a configuration: every place that sets keys, in their order, checked as a whole."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

from serve_daemon.config.access import Access, Judged, read_access
from serve_daemon.config.check import Finding, check
from serve_daemon.config.credentials import DIRECTORY
from serve_daemon.config.files import read_files
from serve_daemon.config.installed import digest
from serve_daemon.config.keys import table_at
from serve_daemon.config.layers import InvalidToml, Layer, file_layer, locate
from serve_daemon.config.outside import environment_layer, overrides_layer
from serve_daemon.config.probe import cached
from serve_daemon.config.problems import ConfigError, KeyPath, Problem
from serve_daemon.config.resolve import effective_model
from serve_daemon.config.schema import Config
from serve_daemon.config.tuning import Model
from serve_daemon.config.wording import is_about_the_key, message_of, path_of


class Sources(Struct, frozen=True, kw_only=True):
    """All that a configuration is made from."""

    main: Path | None = None  # None: the embedded default
    text: str | None = None  # stands in for a file's content
    text_of: Path | None = None  # which; None: the main file
    overrides: list[str] = []  # KEY=VALUE of --set
    environment: Mapping[str, str] = MappingProxyType({})
    # Where the probe's result lies; None: nothing is checked against this machine.
    cache_directory: str | None = None
    # Whether the daemon itself asks: to others its secrets may be out of sight, which is no fault.
    is_daemon: bool = True


class Loaded(Struct, frozen=True, kw_only=True):
    """A configuration without problems."""

    config: Config  # as written; what holds for a model is in `models`
    models: dict[str, Model]  # every key filled in from profiles and defaults
    files: dict[str, str]  # digest by path, in the order of reading, as `files.digests` tells it
    texts: dict[str, str] = {}  # content by path, in the same order
    layers: list[Layer] = []  # where each key is set
    installed: str = ""  # digest of the code that carries it out
    access: Access = Access()  # what the files of secrets hold
    unseen: list[Finding] = []  # of those, what is not for whoever asked to read

    def problem(self, path: KeyPath, message: str) -> Problem:
        """What only the attempt to use a key's value has shown to be wrong with it."""
        return locate(self.layers, path).problem(path, message)


class _Settings(Config, BaseSettings):
    """The schema as pydantic-settings sees it: it merges what the layers set, table by table."""

    model_config = SettingsConfigDict(case_sensitive=True)


def load(sources: Sources) -> Loaded:
    """Read and check everything; raises `ConfigError` with all problems at once."""
    files, problems = read_files(sources.main, sources.text, sources.text_of)
    layers: list[Layer] = []  # the first that sets a key wins
    for file in files:
        try:
            layers.insert(0, file_layer(file))
        except InvalidToml as error:
            problems.append(error.problem)
    if problems:  # what else refers to a file that is missing can't be judged
        _, errors = _validated(layers)
        raise ConfigError(problems + [_problem(layers, error) for error in errors])
    environment, outside_problems = environment_layer(sources.environment, layers)
    overrides, overrides_problems = overrides_layer(sources.overrides)
    layers = [overrides, environment, *layers]
    config, judged, problems = _checked(layers, sources)
    problems += outside_problems + overrides_problems
    if problems:
        order = {file.path: number for number, file in enumerate(files)}
        raise ConfigError(sorted(problems, key=lambda problem: _rank(problem, order)))
    return Loaded(
        config=config,
        models={name: effective_model(config, name) for name in config.models},
        files={file.path: file.digest for file in files},
        texts={file.path: file.text for file in files},
        layers=layers,
        installed=digest(),
        access=judged.access,
        unseen=list(judged.unseen),
    )


def _checked(layers: list[Layer], sources: Sources) -> tuple[Config, Judged, list[Problem]]:
    config, errors = _validated(layers)
    problems = [_problem(layers, error) for error in errors]
    paths = [path_of(error) for error in errors]
    if any(table_at(path) for path in paths):
        # Whole tables are missing: rules would only add confusion.
        return config, Judged(Access()), problems
    cache = sources.cache_directory
    probe = cached(cache, config.engine.python) if cache else None
    doubtful = [path[:2] for path in paths]
    judged = read_access(config, sources.environment.get(DIRECTORY, ""), doubtful)
    findings = [*check(config, probe, doubtful), *judged.broken]
    findings += judged.unseen if sources.is_daemon else ()
    problems += [locate(layers, path).problem(path, message) for path, message in findings]
    return config, judged, problems


def _validated(layers: list[Layer]) -> tuple[Config, list[ErrorDetails]]:
    """The configuration, without the keys that are wrong, and what is wrong with them."""
    try:
        return _merged(layers), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    paths = [path_of(error) for error in errors]
    rest = [Layer(_without(layer.values, paths), layer.places) for layer in layers]
    return _merged(rest), errors


def _merged(layers: list[Layer]) -> Config:
    sources = tuple(InitSettingsSource(_Settings, layer.values) for layer in layers)
    # Not dict(settings), which takes what has an attribute `keys` for a mapping.
    return Config.model_validate(dict(iter(_Settings(_build_sources=(sources, {})))))


def _without(values: dict[str, Any], paths: list[KeyPath]) -> dict[str, Any]:
    """The tree of tables, less the keys of these paths."""
    here = {path[0] for path in paths if len(path) == 1 or isinstance(path[1], int)}
    return {
        name: _without(value, [path[1:] for path in paths if path[0] == name])
        if isinstance(value, dict)
        else value
        for name, value in values.items()
        if name not in here
    }


def _problem(layers: list[Layer], error: ErrorDetails) -> Problem:
    path = path_of(error)
    place = locate(layers, path)
    return place.problem(path, message_of(error), at_key=is_about_the_key(error))


def _rank(problem: Problem, order: dict[str, int]) -> tuple[int, int, int]:
    """Files in the order of reading, then what is set outside them."""
    return order.get(problem.file, len(order)), problem.line, problem.column
