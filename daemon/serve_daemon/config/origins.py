"""Where each key of the effective configuration gets its value."""

from collections.abc import Iterator

from serve_daemon.config.keys import plain_keys
from serve_daemon.config.layers import Layer, Place
from serve_daemon.config.load import Loaded
from serve_daemon.config.problems import KeyPath, dotted
from serve_daemon.config.resolve import Chain, model_chain, profile_chain, setter


def origins(loaded: Loaded) -> dict[str, str]:
    """The place that sets it, by the key as one writes it; keys at their default are left out."""
    return {
        dotted(path): where(place)
        for path, source in _sources(loaded)
        if (place := _place(loaded.layers, source)) is not None
    }


def where(place: Place) -> str:
    """FILE:LINE:COLUMN, an environment variable, or --set."""
    if place.position is None:
        return place.file
    spot = place.position.key
    return f"{place.file}:{spot.line}:{spot.column}"


def _sources(loaded: Loaded) -> Iterator[tuple[KeyPath, KeyPath]]:
    """Each key, and the key by which it is set: a profile's for many of a model's."""
    config = loaded.config
    yield from ((path, path) for path in plain_keys())
    for name, key in config.keys.items():
        yield from ((("keys", name, each),) * 2 for each in key.model_fields_set)
    for name in config.profiles:
        yield from _of_chain(("profiles", name), profile_chain(config, name))
    for name in config.models:
        yield from _of_chain(("models", name), model_chain(config, name))


def _of_chain(table: KeyPath, chain: Chain) -> Iterator[tuple[KeyPath, KeyPath]]:
    for key in type(chain[0][1]).model_fields:
        if (source := setter(chain, key)) is not None:
            yield (*table, key), source


def _place(layers: list[Layer], path: KeyPath) -> Place | None:
    """In the first layer that sets the key, which wins."""
    return next((layer.places[path] for layer in layers if path in layer.places), None)
