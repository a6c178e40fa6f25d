"""What torch can do here, as JSON for programs that don't import it."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from serve_daemon.config.probe import Probe, cached
from serve_daemon.engine import footprint
from serve_daemon.engine.probe import store_if_new

pytestmark = pytest.mark.model


def test_the_probe_is_printed_and_kept(tmp_path: Path) -> None:
    """One JSON object on stdout, and the same in the cache directory."""
    printed = subprocess.run(
        [sys.executable, "-m", "serve_daemon.engine", "--probe"],
        env=os.environ | {"CACHE_DIRECTORY": str(tmp_path)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    probe = msgspec.json.decode(printed, type=Probe)
    assert cached(str(tmp_path), "") == probe
    assert probe.devices[0].name == "cpu"
    assert probe.devices[0].memory_bytes > 2**20
    assert {"sdpa", "eager"} <= set(probe.attn_implementations)
    assert probe.engines == ["continuous", "compiled", "embedding"]
    assert {"python", "torch", "transformers"} <= set(probe.versions)
    assert {"bnb-4bit", "bnb-8bit", "bitsandbytes", "gguf", "fp8"} <= set(probe.quantization)
    assert not set(probe.quantization) & set(probe.unavailable_quantization)
    assert "pip install 'hqq>=0.2.1'" in probe.unavailable_quantization["hqq"]
    assert probe.program_bytes["compiled"] >= probe.program_bytes["continuous"] > 100 * 2**20
    assert 100 * 2**20 < probe.program_bytes["embedding"] <= probe.program_bytes["continuous"]
    assert 0 < probe.program_bytes["bitsandbytes"] < probe.program_bytes["continuous"]


def test_what_an_engine_measured_is_added(tmp_path: Path) -> None:
    """Each engine knows its own size; what is known already stays."""
    store_if_new(tmp_path, {"continuous": 1})
    store_if_new(tmp_path, {"continuous": 2, "bitsandbytes": 3})
    known = cached(str(tmp_path), "")
    assert known is not None
    assert known.program_bytes == {"continuous": 1, "bitsandbytes": 3}
    assert known.engines == ["continuous", "compiled", "embedding"]


@pytest.mark.parametrize(("torch", "is_measured"), [("", False), ("another", True)])
def test_what_was_measured_holds_while_the_versions_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: str, is_measured: bool
) -> None:
    """A package that no engine uses may come or go: measuring would import all that it measures."""
    versions = footprint.versions()
    versions["torch"] = torch or versions["torch"]
    earlier = Probe(versions, [], [], [], [], program_bytes={"compiled": 5})
    (tmp_path / "probe-0123456789abcdef.json").write_bytes(msgspec.json.encode(earlier))
    monkeypatch.setattr(footprint, "measured", lambda *_, **__: {"compiled": 7})
    found = footprint.unknown(tmp_path, "compiled", with_bitsandbytes=False)
    assert found == {"compiled": 7 if is_measured else 5}


def test_what_was_measured_of_another_engine_is_not_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is that of an engine without the library that is asked about."""
    earlier = Probe(footprint.versions(), [], [], [], [], program_bytes={"compiled": 5})
    (tmp_path / "probe-0123456789abcdef.json").write_bytes(msgspec.json.encode(earlier))
    monkeypatch.setattr(footprint, "measured", lambda *_, **__: {})
    assert footprint.unknown(tmp_path, "continuous", with_bitsandbytes=False) == {}
    assert footprint.unknown(tmp_path, "compiled", with_bitsandbytes=True) == {}
