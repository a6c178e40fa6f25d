"""What holds for a model once its profile, and the profiles that this extends, are applied."""

from collections.abc import Iterator
from typing import Any

from serve_daemon.config.problems import KeyPath
from serve_daemon.config.schema import Config
from serve_daemon.config.tuning import Model, Profile, Tuning

Chain = list[tuple[KeyPath, Tuning]]


def effective_model(config: Config, name: str) -> Model:
    """The model with every key filled in, its source included."""
    model = config.models[name]
    values = _merged(model_chain(config, name), Model)
    values["source"] = model.source or name
    return Model.model_construct(**values)


def effective_profile(config: Config, name: str) -> Profile:
    """The profile with every key filled in."""
    return Profile.model_construct(**_merged(profile_chain(config, name), Profile))


def model_chain(config: Config, name: str) -> Chain:
    """The tables that decide about a model, the first that sets a key wins.

    Profiles that are not defined, and those that extend themselves, are left out.
    """
    model = config.models[name]
    return [(("models", name), model), *profile_chain(config, model.profile)]


def profile_chain(config: Config, name: str) -> Chain:
    """The profile and all that it extends, the nearest first."""
    return [(("profiles", each), config.profiles[each]) for each in _lineage(config, name)]


def setter(chain: Chain, key: str) -> KeyPath | None:
    """The path under which the chain sets a key; None where the default holds."""
    return next(((*path, key) for path, table in chain if key in table.model_fields_set), None)


def _lineage(config: Config, name: str) -> Iterator[str]:
    seen: set[str] = set()
    while name in config.profiles and name not in seen:
        seen.add(name)
        yield name
        name = config.profiles[name].extends


def _merged(chain: Chain, into: type[Tuning]) -> dict[str, Any]:
    (_, nearest), *inherited = chain
    values: dict[str, Any] = {
        key: field.get_default(call_default_factory=True)
        for key, field in into.model_fields.items()
    }
    for _, table in reversed(inherited):
        values |= _set_in(table, Tuning)
    return values | _set_in(nearest, into)


def _set_in(table: Tuning, keys: type[Tuning]) -> dict[str, Any]:
    return {key: getattr(table, key) for key in keys.model_fields if key in table.model_fields_set}
