"""The rules that no single key can break: across keys, and against what this machine can do."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from serve_daemon.config import attention, model_kind
from serve_daemon.config.address import parse_address
from serve_daemon.config.batching import UNUSED_KEYS
from serve_daemon.config.checkpoint import GGUF, quantization_of
from serve_daemon.config.kept_gguf import KEEP, hindrance
from serve_daemon.config.layers import is_relative_path
from serve_daemon.config.located import located
from serve_daemon.config.machine import Broken, check_machine
from serve_daemon.config.probe import Probe
from serve_daemon.config.problems import KeyPath
from serve_daemon.config.resolve import Chain, effective_model, model_chain, setter
from serve_daemon.config.schema import Config
from serve_daemon.config.tuning import Model

# Where the API has something, or a directory of it: no place for metrics.
TAKEN = frozenset({"v1", "ui", "health", "ready", "openapi.json", "tokenize", "detokenize"})


class Finding(NamedTuple):
    """A broken rule, by the key that breaks it."""

    path: KeyPath
    message: str


def check(
    config: Config, probe: Probe | None, doubtful: Iterable[KeyPath] = ()
) -> Iterator[Finding]:
    """Every broken rule.

    The values of `doubtful` tables are not known in full, so what depends on them is not judged.
    """
    yield from _listen_twice(config)
    yield from _metrics_path(config)
    yield from _profiles(config)
    yield from _names(config)
    unknown = set(doubtful)
    for name in config.models:
        chain = model_chain(config, name)
        if unknown.isdisjoint(path for path, _ in chain):
            model = effective_model(config, name)
            yield from _model(model, chain, probe)
            checkpoint = located(model.source, config.engine.python, with_weights=False)
            if problem := model_kind.problem_of(model.engine, checkpoint):
                yield Finding(_path(chain, "engine", "source"), f"{model.source} {problem}")


def _listen_twice(config: Config) -> Iterator[Finding]:
    seen = set()
    for table, addresses in (("server", config.server.listen), ("metrics", config.metrics.listen)):
        for index, text in enumerate(addresses):
            address = parse_address(text)
            if address in seen:
                yield Finding((table, "listen", index), f'"{text}" is listed twice, remove one')
            seen.add(address)


def _metrics_path(config: Config) -> Iterator[Finding]:
    if config.metrics.path.split("/")[1] in TAKEN:
        message = f'"{config.metrics.path}" is taken by the API, choose another path'
        yield Finding(("metrics", "path"), message)


def _profiles(config: Config) -> Iterator[Finding]:
    defined = ", ".join(config.profiles) or "none"
    for name, profile in config.profiles.items():
        path = ("profiles", name, "extends")
        if profile.extends and profile.extends not in config.profiles:
            yield Finding(path, _undefined(profile.extends, defined))
        elif _extends_itself(config, name):
            yield Finding(path, f'"{profile.extends}" extends this profile too, break the circle')
    for name, model in config.models.items():
        if model.profile and model.profile not in config.profiles:
            yield Finding(("models", name, "profile"), _undefined(model.profile, defined))


def _undefined(profile: str, defined: str) -> str:
    return f'profile "{profile}" is not defined, define it or use one of those that are: {defined}'


def _extends_itself(config: Config, name: str) -> bool:
    ancestor, seen = config.profiles[name].extends, set[str]()
    while ancestor in config.profiles and ancestor not in seen:
        if ancestor == name:
            return True
        seen.add(ancestor)
        ancestor = config.profiles[ancestor].extends
    return False


def _names(config: Config) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for name, model in config.models.items():
        for index, alias in enumerate(model.aliases):
            path = ("models", name, "aliases", index)
            if alias in config.models:
                yield Finding(path, f'"{alias}" is the name of a model, choose another alias')
            elif alias in owners:
                owner = "this model" if owners[alias] == name else f'model "{owners[alias]}"'
                yield Finding(path, f'"{alias}" is an alias of {owner} already, remove one')
            owners.setdefault(alias, name)


def _model(model: Model, chain: Chain, probe: Probe | None) -> Iterator[Finding]:
    if is_relative_path(model.source):
        message = f'"{model.source}" is relative to no file here, write the whole path'
        yield Finding(_path(chain, "source"), message)
    if len(model.devices) > model.replicas:
        message = (
            f"names {len(model.devices)} devices for {model.replicas} of replicas, raise that or"
            " name fewer"
        )
        yield Finding(_path(chain, "device", "replicas"), message)
    is_decoding = model.engine != model_kind.EMBEDDING
    if is_decoding and 0 < model.max_batch_tokens < model.max_requests:
        message = (
            f"{model.max_batch_tokens} tokens a step can't hold one for each of"
            f" {model.max_requests} max_requests, raise it or lower max_requests"
        )
        yield Finding(_path(chain, "max_batch_tokens", "max_requests"), message)
    if model.restart_delay > model.restart_delay_max:
        message = (
            f"the first delay of {model.restart_delay:g} s exceeds restart_delay_max of"
            f" {model.restart_delay_max:g} s, lower it or raise restart_delay_max"
        )
        yield Finding(_path(chain, "restart_delay", "restart_delay_max"), message)
    broken = [*_engine(model), *(check_machine(model, probe) if probe is not None else ())]
    yield from (Finding(_path(chain, *keys), message) for keys, message in broken)


def _engine(model: Model) -> Iterator[Broken]:
    """What the model's engine or its checkpoint has no use for."""
    if problem := attention.problem_of(model.engine, model.attn_implementation):
        yield ("attn_implementation", "engine"), problem
    for key in UNUSED_KEYS[model.engine]:
        if getattr(model, key) != Model.model_fields[key].default:
            yield (key, "engine"), f'has no effect with engine "{model.engine}", remove it'
    if model.gguf == KEEP and model.engine != model_kind.EMBEDDING:
        on_cpu = True  # else the machine's rules say so
        if found := hindrance(model.engine, model.quantization, model.dtype, on_cpu=on_cpu):
            yield ("gguf", found[0]), found[1]
    stored = quantization_of(model.source)
    if model.quantization != "none" and stored not in {"", GGUF}:
        message = f"the weights of {model.source} are quantized by {stored} already, remove it"
        yield ("quantization",), message


def _path(chain: Chain, *keys: str) -> KeyPath:
    """Where the first of the keys is set, else the next, else the model's own table."""
    return next((path for key in keys if (path := setter(chain, key))), chain[0][0])
