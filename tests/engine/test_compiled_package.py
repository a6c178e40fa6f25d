"""The step compiled ahead of time computes what the uncompiled one does, in the same memory."""

import threading
from pathlib import Path

import numpy as np
import pytest

from engine.models import TINY_LLAMA, write_config
from serve_daemon.engine.compiled.sequences import Batch
from serve_daemon.wire.messages import EngineSpec

pytestmark = pytest.mark.model

PROMPT = list(range(20, 60))


def prompt_batch(slot: int) -> Batch:
    length = len(PROMPT)
    return Batch(
        np.array(PROMPT), np.full(length, slot), np.arange(length), np.array([length - 1, 0])
    )


def next_batch(slots: list[int]) -> Batch:
    count = len(slots)
    places = np.full(count, len(PROMPT))
    return Batch(np.full(count, 7), np.array(slots), places, np.arange(count))


@pytest.mark.long  # what others compile says already that a package computes what it should
@pytest.mark.parametrize("kv_cache_dtype", ["auto", "int8"])
def test_a_package_stands_in_for_the_step(tmp_path: Path, kv_cache_dtype: str) -> None:
    """For any number of tokens and any caches; what either stores the other reads."""
    import torch

    from serve_daemon.engine import loader
    from serve_daemon.engine.compiled import package
    from serve_daemon.engine.compiled.ahead_of_time import build
    from serve_daemon.engine.compiled.build import Order
    from serve_daemon.engine.compiled.prepare import prepare
    from serve_daemon.engine.compiled.step import compute

    folder = write_config(tmp_path / "model")
    spec = EngineSpec(
        model="tiny",
        source=str(folder),
        engine="compiled",
        load_format="dummy",
        kv_cache_dtype=kv_cache_dtype,
    )
    loaded = loader.load(spec, folder, tmp_path / "cache", lambda *_: None)
    prepared = prepare(loaded, kv_cache_dtype)
    prepared.attach(4, 128)
    file = package.file_for(loaded.model, loaded.cache, kv_cache_dtype)
    assert build(Order(spec, str(folder), str(loaded.cache), str(file)))
    compiled = package.load(file, prepared.step)
    assert {path.suffix for path in file.parent.iterdir()} == {".pt2", ".lock"}
    with torch.inference_mode():
        first = compute(compiled, prompt_batch(1), "cpu")
        torch.testing.assert_close(first, compute(prepared.step, prompt_batch(2), "cpu"))
        for slots in ([1, 2], [2, 1, -1]):
            torch.testing.assert_close(
                compute(compiled, next_batch(slots), "cpu")[:2],
                compute(prepared.step, next_batch(slots), "cpu")[:2],
            )


def test_a_broken_package_is_made_anew(tmp_path: Path) -> None:
    """The model serves uncompiled meanwhile."""
    import torch

    from serve_daemon.engine import loader
    from serve_daemon.engine.compiled import package
    from serve_daemon.engine.compiled.ahead_of_time import AheadOfTime
    from serve_daemon.engine.compiled.prepare import prepare

    folder = write_config(tmp_path / "model")
    spec = EngineSpec(model="tiny", source=str(folder), engine="compiled", load_format="dummy")
    loaded = loader.load(spec, folder, tmp_path / "cache", lambda *_: None)
    prepared = prepare(loaded)
    prepared.attach(4, 128)
    compiler = AheadOfTime(loaded, spec, prepared, keep=lambda _code: None)
    file = package.file_for(loaded.model, loaded.cache)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no package")
    with torch.inference_mode():
        assert compiler.compute()(prompt_batch(1)).shape == (2, TINY_LLAMA["vocab_size"])
    assert not file.exists()


@pytest.mark.parametrize("works", [True, False])
def test_it_is_known_that_a_package_is_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, works: bool
) -> None:
    """Until it is in use, or can't be made."""
    from serve_daemon.engine import loader
    from serve_daemon.engine.compiled import ahead_of_time, prepare

    folder = write_config(tmp_path / "model")
    spec = EngineSpec(model="tiny", source=str(folder), engine="compiled", load_format="dummy")
    loaded = loader.load(spec, folder, tmp_path / "cache", lambda *_: None)
    compiler = ahead_of_time.AheadOfTime(
        loaded, spec, prepare.prepare(loaded), keep=lambda _code: None
    )
    may_end, used = threading.Event(), threading.Event()
    monkeypatch.setattr(ahead_of_time, "build", lambda _order: may_end.wait(60) and works)
    monkeypatch.setattr(compiler, "_packaged", lambda: "the package")
    assert not compiler.is_compiling
    compiler.improve(lambda _compute: used.set())
    assert compiler.is_compiling
    assert not used.is_set()
    may_end.set()
    (building,) = [each for each in threading.enumerate() if each.name == "build"]
    building.join(60)
    assert (compiler.is_compiling, used.is_set()) == (False, works)


def test_a_package_is_kept_for_what_it_was_made_of(tmp_path: Path) -> None:
    """Another shape or type is another file; other weights are not."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from serve_daemon.engine.compiled import package

    def file_of(dtype: torch.dtype = torch.float32, **changes: int) -> Path:
        model = LlamaForCausalLM(LlamaConfig(**(TINY_LLAMA | changes)))
        return package.file_for(model.to(dtype), tmp_path)

    files = [file_of(), file_of(torch.bfloat16), file_of(num_hidden_layers=1)]
    assert len(set(files)) == 3
    assert file_of() == files[0]
