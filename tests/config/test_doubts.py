"""What may fail on this machine, though nothing is wrong with the file."""

import sys
from pathlib import Path

import pytest

from config.loading import loaded
from serve_daemon.config import doubts as doubts_module
from serve_daemon.config.control_groups import NoControlGroup
from serve_daemon.config.doubts import doubts
from serve_daemon.config.estimate import Estimate
from serve_daemon.config.probe import Device, Probe

CPU = Device("cpu", "Some CPU", 8 << 30, ["float32"])
GPU = Device("cuda:0", "Some GPU", 80 << 30, ["float32"])
PROBE = Probe({}, [CPU, GPU], attn_implementations=["sdpa"], engines=[], quantization=[])


def found(text: str, probe: Probe | None = PROBE) -> list[tuple[str, str]]:
    return [(each.key, each.message) for each in doubts(loaded(text), probe)]


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, that may be filled from the Hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/models/gone", "'/models/gone' does not exist"),
        ("no-such-name", "give a directory, a .gguf file, a Hub id"),
        ("python:no_such_package/a.gguf", "the package no_such_package is not installed"),
        ("python:msgspec/a.gguf", "or has no file a.gguf"),
        ("org/name", "not in the cache of the Hub, the engine will download it"),
    ],
)
def test_weights_that_are_not_here(source: str, told: str) -> None:
    """They may come until the engine wants them, which is for a person to know."""
    ((key, message),) = found(f"[profiles.p]\n[models.m]\nsource = '{source}'\nprofile = 'p'")
    assert key == "models.m.source"
    assert told in message


def test_a_model_without_a_source_is_named_itself() -> None:
    """Its name is its source."""
    assert [key for key, _ in found('[models."org/name"]')] == ['models."org/name"']


def test_a_download_that_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """It will fail for sure, unless somebody changes that."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ((_, message),) = found('[models."org/name"]')
    assert message.endswith("HF_HUB_OFFLINE is set")


def test_weights_that_are_here(tmp_path: Path, hub_cache: Path) -> None:
    """A directory, a package's file, and what the Hub's cache has whole."""
    snapshot = hub_cache / "models--org--name" / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).write_text("{}")
    for source in (str(tmp_path), "python:msgspec/__init__.py", "org/name"):
        assert found(f"models.m.source = '{source}'") == []


def test_a_device_that_was_not_there_when_engines_were_asked() -> None:
    """It may have come since; and without an answer nothing is known of any."""
    text = "[models.m]\nsource = '/'\nreplicas = 2\ndevice = ['cuda:0', 'cuda:1']"
    absent = '"cuda:1" is not present, this machine had cpu, cuda:0 when it was probed'
    assert found(text) == [("models.m.device", absent)]
    assert found(text, None) == []


def test_an_interpreter_that_is_not_there() -> None:
    """Each model would fail over it."""
    text = "engine.python = '{}'\n[models.m]\nsource = '/'"
    assert found(text.format("/no/python")) == [
        (
            "engine.python",
            '"/no/python" can not be run, no engine will start; see servectl engine install',
        )
    ]
    assert found(text.format(sys.executable)) == []


def test_an_engine_that_takes_more_than_a_device_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the largest one that may be meant; the keys that lower it are named."""
    needed = Estimate(program=1 << 30, weights=9 << 30, kv_cache=10 << 30, workspace=0)
    monkeypatch.setattr(doubts_module, "estimate", lambda *_: needed)
    text = "[models.m]\nsource = '/'\ndevice = '{}'"
    ((key, message),) = found(text.format("cpu"))
    assert key == "models.m.source"
    assert message.startswith(
        "an engine takes 20.0 GiB, of which 10.0 for keys and values, and the"
    )
    assert "has 8.0: lower max_context" in message
    assert found(text.format("auto")) == []
    assert [key for key, _ in found(text.format("cuda:7"))] == ["models.m.device"]


@pytest.mark.parametrize(
    ("has", "keys"), [({"cpu", "memory"}, []), ({"cpu"}, ["memory_max"]), (set(), ["memory_max"])]
)
def test_limits_that_the_kernel_can_not_keep(
    monkeypatch: pytest.MonkeyPatch, has: set[str], keys: list[str]
) -> None:
    """Where version 1 of control groups has the controller, say; only of what is asked for."""
    monkeypatch.setattr(doubts_module, "machine_controllers", lambda: has)
    told = found("[models.m]\nsource = 'org/name'\nmemory_max = '1GiB'", None)
    assert [key for key, _ in told] == ["models.m.source", *(f"models.m.{key}" for key in keys)]
    assert all("no memory controller" in message for key, message in told if "memory" in key)


def test_no_control_groups_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said as it was found."""

    def none() -> None:
        raise NoControlGroup("cgroup2 is not mounted")

    monkeypatch.setattr(doubts_module, "machine_controllers", none)
    told = dict(found("[models.m]\nsource = 'org/name'\ncpu_weight = 7", None))
    assert "cgroup2 is not mounted" in told["models.m.cpu_weight"]
    assert len(found("[models.m]\nsource = 'org/name'", None)) == 1


@pytest.mark.parametrize(
    ("keys", "is_told"),
    [
        ("device = 'cpu'\nmax_context = 100\nmemory_max = '3GiB'", True),
        ("device = 'cpu'\nmax_context = 100\nmemory_max = '4GiB'", False),
        ("device = 'cpu'\nmemory_max = '3GiB'", False),  # its cache gets what is left
        ("device = 'cuda:0'\nmax_context = 100\nmemory_max = '3GiB'", False),
        ("device = 'cpu'\nmax_context = 100", False),
    ],
)
def test_more_memory_than_it_may_take(
    monkeypatch: pytest.MonkeyPatch, keys: str, *, is_told: bool
) -> None:
    """Of the host alone, and of what it takes at least."""
    taken = Estimate(program=1 << 30, weights=1 << 30, kv_cache=2 << 30, workspace=0)
    monkeypatch.setattr(doubts_module, "machine_controllers", lambda: {"cpu", "memory"})
    monkeypatch.setattr(doubts_module, "estimate", lambda *_arguments: taken)
    told = dict(found(f"[models.m]\nsource = 'org/name'\n{keys}"))
    assert ("models.m.memory_max" in told) is is_told
    if is_told:
        assert "takes 4.0 GiB at least, and may take 3.0" in told["models.m.memory_max"]
