"""GGUF files are converted once, whole, whoever asks and however many at once."""

import multiprocessing
from pathlib import Path

import pytest

from engine.client import EngineProcess
from engine.models import write_gguf
from serve_daemon.engine import convert
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.gguf import tokenizer
from serve_daemon.engine.gguf.identity import key
from serve_daemon.wire.messages import EngineSpec, Phase

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.v1.gguf")


@pytest.fixture(scope="module")
def words(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tokenizer of `gguf`."""
    return tokenizer.ready(gguf, tmp_path_factory.mktemp("words"))


def test_the_key_changes_with_all_that_matters() -> None:
    """Path, size, time, type: anything else is another conversion."""
    keys = {
        key("/a", 1, 1, "float32"),
        key("/b", 1, 1, "float32"),
        key("/a", 2, 1, "float32"),
        key("/a", 1, 2, "float32"),
        key("/a", 1, 1, "bfloat16"),
    }
    assert len(keys) == 5
    assert key("/a", 1, 1, "float32") in keys


def test_a_link_leads_to_the_conversion_of_its_file(gguf: Path, tmp_path: Path) -> None:
    """As in the Hub's cache, where a snapshot's files are links."""
    link = tmp_path / gguf.name
    link.symlink_to(gguf)
    cache = tmp_path / "cache"
    assert convert.destination(link, cache, "float32") == convert.destination(
        gguf, cache, "float32"
    )


def test_two_at_once_convert_once(gguf: Path, words: Path, tmp_path: Path) -> None:
    """The second waits for the first and finds its work done."""
    target = convert.destination(gguf, tmp_path / "converted", "float32")
    context = multiprocessing.get_context("spawn")
    both = [
        context.Process(target=convert.convert, args=(gguf, target, "float32", words))
        for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    lock = target.with_name(f"{target.name}.lock")
    assert sorted(target.parent.iterdir()) == sorted([target, lock])
    assert (target / "model.safetensors").is_file()


def test_an_engine_converts_at_its_first_start_only(gguf: Path, tmp_path: Path) -> None:
    """And throws away what a conversion that was cut off has left."""
    spec = EngineSpec(model="tiny", source=str(gguf), dtype="float32")
    target = convert.destination(gguf, tmp_path / "converted", "float32")
    cut_off = target.with_name(f"{target.name}.partial")
    cut_off.mkdir(parents=True)
    (cut_off / "model.safetensors").write_bytes(b"half")
    phases = []
    for _ in range(2):
        with EngineProcess(spec, tmp_path) as engine:
            ready = engine.ready()
            phases.append([progress.phase for progress in engine.progress()])
            assert Path(ready.artefacts) == target
            assert (ready.vocabulary, ready.eos_tokens) == (300, [2])
    assert Phase.CONVERTING in phases[0]
    assert Phase.CONVERTING not in phases[1]
    assert not cut_off.exists()


def test_a_conversion_that_fails_says_why(tmp_path: Path) -> None:
    """It happens in another process, whose words are the engine's then."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 60)
    target = tmp_path / "converted" / "broken"
    with pytest.raises(EngineError) as failure:
        convert.convert_in_child(broken, target, "float32", tmp_path)
    assert "ended with status" not in failure.value.message
    assert not target.exists()
