"""What a change of the configuration does to models, gateway and daemon. Pure.

The schema says what each key takes and who reads it. Known by name here is only what stands for
the content of files that the configuration names: the keys of clients, the certificate, and what
engines run in.
"""

from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct
from pydantic import BaseModel

from serve_daemon.config.keys import effect_of
from serve_daemon.config.load import Loaded
from serve_daemon.config.problems import dotted
from serve_daemon.config.tables import Effect, Reader, Table

PACKAGE = "package"  # among the keys of a change, though no key of the file
CERTIFICATE = "server.tls_certificate"
INTERPRETER = "engine.python"


class Action(StrEnum):
    KEEP = "keep"
    UPDATE = "update"  # live
    REPLACE = "replace"  # a new process takes over
    START = "start"
    STOP = "stop"
    RESTART = "restart"  # left to whoever restarts the daemon


_ACTIONS = {
    Effect.UPDATE: Action.UPDATE,
    Effect.REPLACE: Action.REPLACE,
    Effect.RESTART: Action.RESTART,
}


class Change(Struct, frozen=True):
    """What becomes of one subject, and the keys that differ."""

    subject: str  # "models.NAME", "gateway" or "daemon"
    action: Action
    keys: list[str] = []  # of a model: in its table, or whole where they stand elsewhere


class Plan(Struct, frozen=True):
    models: dict[str, Change]
    gateway: Change
    daemon: Change

    def changes(self) -> list[Change]:
        """All of them, also those that keep something as it is."""
        return [*self.models.values(), self.gateway, self.daemon]


def plan(old: Loaded, new: Loaded) -> Plan:
    """What it takes to get from the old configuration to the new one."""
    for_engines = _tables(old, new, Reader.ENGINES) | _environment(old, new)
    models = {
        name: _model(name, old, new, for_engines) for name in sorted({*old.models, *new.models})
    }
    return Plan(
        models=models,
        gateway=_change("gateway", _gateway(old, new)),
        daemon=_change("daemon", _tables(old, new, Reader.DAEMON)),
    )


Difference = dict[str, Effect]  # by key


def _model(name: str, old: Loaded, new: Loaded, for_engines: Difference) -> Change:
    subject = f"models.{name}"
    if name not in old.models:
        return Change(subject, Action.START)
    if name not in new.models:
        return Change(subject, Action.STOP)
    return _change(subject, dict(_differences(old.models[name], new.models[name])) | for_engines)


def _change(subject: str, difference: Difference) -> Change:
    strongest = max(difference.values(), key=list(Effect).index, default=None)
    action = _ACTIONS[strongest] if strongest else Action.KEEP
    return Change(subject, action, list(difference))


def _gateway(old: Loaded, new: Loaded) -> Difference:
    return _access(old, new) | _tables(old, new, Reader.GATEWAY) | _code(old, new)


def _access(old: Loaded, new: Loaded) -> Difference:
    """What clients may do, and what they are shown: by content, wherever that stands."""
    before = {each.name: each for each in old.access.grants}
    after = {each.name: each for each in new.access.grants}
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    difference = {dotted(("keys", name)): Effect.UPDATE for name in names}
    if old.access.tls != new.access.tls:
        difference[CERTIFICATE] = Effect.REPLACE
    return difference


def _tables(old: Loaded, new: Loaded, reader: Reader) -> Difference:
    """The keys that differ in the tables that one program reads."""
    return {
        f"{name}.{key}": effect
        for name, before in old.config
        if isinstance(before, Table) and before.reader is reader
        for key, effect in _differences(before, getattr(new.config, name))
    }


def _environment(old: Loaded, new: Loaded) -> Difference:
    """What engines run in: by where the path leads, as `servectl engine install` changes that."""
    same = old.config.engine.interpreter == new.config.engine.interpreter
    return {} if same else {INTERPRETER: Effect.REPLACE}


def _code(old: Loaded, new: Loaded) -> Difference:
    """The package that is installed, where another one is than before."""
    return {} if old.installed == new.installed else {PACKAGE: Effect.REPLACE}


def _differences(before: BaseModel, after: BaseModel) -> Iterator[tuple[str, Effect]]:
    for key, field in type(before).model_fields.items():
        if getattr(before, key) != getattr(after, key):
            yield key, effect_of(field)
