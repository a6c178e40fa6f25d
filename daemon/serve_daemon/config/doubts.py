"""What a file asks for that may fail here, though nothing is wrong with the file itself.

Weights may come later, a GPU may have been added since engines were asked, a file may be written
for another machine: none of it is a reason to refuse a configuration.
"""

import os
import time
from collections.abc import Iterator

from serve_daemon.config.certificate import expires_soon
from serve_daemon.config.check import Finding
from serve_daemon.config.control_groups import NoControlGroup, machine_controllers
from serve_daemon.config.estimate import estimate
from serve_daemon.config.load import Loaded
from serve_daemon.config.located import located
from serve_daemon.config.machine import known_as
from serve_daemon.config.probe import Probe
from serve_daemon.config.problems import KeyPath, Problem
from serve_daemon.config.resolve import model_chain, setter
from serve_daemon.config.sources import HubSource, PackageFile, SourceError, parse
from serve_daemon.config.tuning import Model

Doubt = tuple[str, str]  # the key, and what may go wrong
GIBIBYTE = 2**30


def doubts(loaded: Loaded, probe: Probe | None) -> list[Problem]:
    """Every doubt, at the key that raises it. `probe` is what engines can do, if that is known."""
    config, python = loaded.config, loaded.config.engine.python
    found: list[tuple[KeyPath, str]] = []
    if python and not os.access(python, os.X_OK):
        message = f'"{python}" can not be run, no engine will start; see servectl engine install'
        found.append((("engine", "python"), message))
    for name, model in loaded.models.items():
        chain = model_chain(config, name)
        for key, message in _of_model(model, python, probe):
            found.append((setter(chain, key) or chain[0][0], message))
    return [loaded.problem(path, message) for path, message in found]


def doubts_of_access(loaded: Loaded) -> list[Problem]:
    """What could not be looked at here, and a certificate that will not be good for long."""
    found = list(loaded.unseen)
    tls = loaded.access.tls
    if tls is not None and (message := expires_soon(tls, time.time())):
        found.append(Finding(("server", "tls_certificate"), message))
    return [loaded.problem(path, message) for path, message in found]


def _of_model(model: Model, python: str, probe: Probe | None) -> Iterator[Doubt]:
    if message := _about_source(model, python):
        yield "source", message
    yield from _about_limits(model)
    if probe is None:
        return
    for name in dict.fromkeys(model.devices):
        if not known_as(name, probe):
            present = ", ".join(each.name for each in probe.devices)
            message = f'"{name}" is not present, this machine had {present} when it was probed'
            yield "device", message
    if message := _about_memory(model, python, probe):
        yield "source", message
    if message := _about_own_limit(model, python, probe):
        yield "memory_max", message


def _about_source(model: Model, python: str) -> str:
    try:
        source = parse(model.source)
    except SourceError as error:
        return str(error)
    if located(model.source, python, with_weights=model.load_format != "dummy") is not None:
        return ""
    match source:
        case HubSource() if os.environ.get("HF_HUB_OFFLINE"):
            return f'"{model.source}" is not in the cache of the Hub, and HF_HUB_OFFLINE is set'
        case HubSource():
            return f'"{model.source}" is not in the cache of the Hub, the engine will download it'
        case PackageFile(package=package, file=file):
            return f"the package {package} is not installed for engines, or has no file {file}"
    return ""


def _about_limits(model: Model) -> Iterator[Doubt]:
    """Whether the kernel can hold engines to what their control groups are to be held to."""
    for key, controller in (("memory_max", "memory"), ("cpu_weight", "cpu")):
        is_asked = getattr(model, key) != Model.model_fields[key].default
        if is_asked and (why_not := _lack_of(controller)):
            yield key, f"is without effect on this machine: {why_not}"


def _lack_of(controller: str) -> str:
    try:
        has_it = controller in machine_controllers()
    except NoControlGroup as error:
        return str(error)
    return "" if has_it else f"cgroup2 has no {controller} controller here"


def _about_own_limit(model: Model, python: str, probe: Probe) -> str:
    """Whether an engine takes more of the host than it may; of one on a GPU nobody knows."""
    on_host = all(each.name == "cpu" for each in known_as(model.devices[0], probe))
    needed = estimate(model, probe, python) if model.memory_max and on_host else None
    if needed is None:
        return ""
    is_cache_open = not model.max_context and not model.kv_cache_memory
    least = needed.total - (needed.kv_cache if is_cache_open else 0)
    if least <= model.memory_max:
        return ""
    takes, may = (f"{each / GIBIBYTE:.1f}" for each in (least, model.memory_max))
    return f"an engine takes {takes} GiB at least, and may take {may}: it will be refused or killed"


def _about_memory(model: Model, python: str, probe: Probe) -> str:
    """Whether an engine takes more than a whole device has."""
    devices, needed = known_as(model.devices[0], probe), estimate(model, probe, python)
    largest = max((each.memory_bytes for each in devices), default=0)
    if needed is None or needed.total <= largest or not devices:
        return ""
    total, kv_cache, device = (
        f"{each / GIBIBYTE:.1f}" for each in (needed.total, needed.kv_cache, largest)
    )
    return (
        f"an engine takes {total} GiB, of which {kv_cache} for keys and values, and the device has"
        f" {device}: lower max_context or max_requests, quantize it, or take a smaller one"
    )
