"""What is kept of a model: enough to compute by, and never trusted where it does not fit."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from engine.client import EngineProcess, Gateway
from engine.compiled_step import compile_step
from engine.models import write_safetensors
from serve_daemon.config import probe as config_probe
from serve_daemon.engine import unused
from serve_daemon.wire.messages import EngineSpec, Phase

pytestmark = pytest.mark.model

# The engine program, in an interpreter in which nobody can import Transformers.
WITHOUT_TRANSFORMERS = """
import sys
sys.modules["transformers"] = None
from serve_daemon.engine.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
PROMPT, NEW_TOKENS = list(range(3, 40)), 8


class Started:
    """A first start that has made everything that later ones need."""

    def __init__(self, folder: Path) -> None:
        from serve_daemon.engine import probe
        from serve_daemon.engine.compiled import package
        from serve_daemon.engine.compiled.from_model import FromModel

        self.checkpoint = write_safetensors(folder / "model")
        self.cache = folder / "cache"
        self.spec = EngineSpec(
            model="tiny", source=str(self.checkpoint), engine="compiled", max_requests=4
        )
        self.loaded = self.load()
        self.from_model = FromModel(self.loaded, self.spec)
        self.code = package.file_for(self.loaded.model, self.cache, self.spec.kv_cache_dtype)
        compile_step(self.spec, self.cache)
        probe.store_if_new(self.cache, {"compiled": 1})  # else what it takes is measured
        self.keep()

    def load(self) -> Any:
        from serve_daemon.engine import loader

        return loader.load(self.spec, self.checkpoint, self.cache, lambda *_: None)

    def keep(self) -> Path:
        """Keep it, unless that was done; the description."""
        from serve_daemon.engine.compiled import kept

        self.from_model._keep(self.code)
        return kept.file_for(self.loaded, self.spec)

    def found(self, **changes: Any) -> Any:
        from serve_daemon.engine.compiled import kept

        return kept.find(self.loaded, msgspec.structs.replace(self.spec, **changes))


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Started:
    return Started(tmp_path_factory.mktemp("started"))


async def test_the_next_start_imports_no_transformers(started: Started) -> None:
    """And computes what the model does."""
    program = (sys.executable, "-c", WITHOUT_TRANSFORMERS)
    with EngineProcess(started.spec, started.cache, program=program) as engine:
        ready = engine.ready()
        assert Phase.LOADING not in [each.phase for each in engine.progress()]
        decoder = started.from_model.decoder
        assert (ready.vocabulary, ready.eos_tokens, ready.weights_bytes) == (
            decoder.vocabulary,
            decoder.eos_tokens,
            decoder.weights_bytes,
        )
        async with await Gateway.connect(engine.socket_path) as gateway:
            stream = await gateway.submit(PROMPT, NEW_TOKENS).done()
    assert stream.tokens == generated(started.checkpoint)


def generated(checkpoint: Path) -> list[int]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    model.generation_config.eos_token_id = None
    output = model.generate(torch.tensor([PROMPT]), max_new_tokens=NEW_TOKENS, do_sample=False)
    tokens: list[int] = output[0, len(PROMPT) :].tolist()
    return tokens


def test_the_log_says_that_the_step_is_compiled() -> None:
    """As where it was compiled just now: that is what one looks for."""
    from serve_daemon.engine.compiled.kept import Kept

    asked: list[object] = []
    code = SimpleNamespace(with_tensors=asked.append, file=Path("step.pt2"))
    with capture_logs() as logs:
        Kept(None, code, {}).compiler({})  # type: ignore[arg-type]
    assert [(each["event"], each["package"]) for each in logs] == [
        ("compiled step in use", "step.pt2")
    ]
    assert asked == [{}]


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other(file: Path) -> None:
    file.write_bytes(b'{"decoder": {}, "package": "x", "places": {}, "stamps": {}}')


def remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("which", [".json", ".constants"])
@pytest.mark.parametrize("harm", [cut, empty, other, remove])
def test_what_is_harmed_is_removed_and_made_anew(
    started: Started, which: str, harm: Callable[[Path], None]
) -> None:
    """A description that can't be read, or whose constants have changed."""
    description = started.keep()
    harm(description.with_suffix(which))
    assert started.found() is None
    assert not description.exists()
    assert started.keep().exists()
    assert started.found() is not None


def test_a_package_that_is_gone_or_broken_is_not_used(started: Started) -> None:
    """The model is loaded then, and finds out the same of it."""
    whole = started.code.read_bytes()
    started.code.write_bytes(b"no package")
    assert started.found() is None
    started.code.unlink()
    description = started.keep()
    assert started.found() is None
    assert not description.exists()
    started.code.write_bytes(whole)
    started.keep()


def test_it_is_found_by_what_it_depends_on(started: Started) -> None:
    """And by nothing else of a spec."""
    started.keep()
    same = {"max_requests": 9, "max_context": 100, "model": "other", "kv_cache_memory": 10**9}
    assert all(started.found(**{name: value}) for name, value in same.items())
    different = {"dtype": "bfloat16", "kv_cache_dtype": "int8", "quantization": "bnb-4bit"}
    assert not any(started.found(**{name: value}) for name, value in different.items())
    config = started.checkpoint / "config.json"
    before = config.stat()
    os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert started.found() is None
    os.utime(config, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_lies_in_no_file_is_copied_up_to_a_limit(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights are taken from the checkpoint, where they are."""
    from serve_daemon.engine.compiled import kept

    description = started.keep()
    size = description.with_suffix(".constants").stat().st_size
    assert 0 < size < started.from_model.decoder.weights_bytes / 10
    description.unlink()
    monkeypatch.setattr(kept, "MOST_WRITTEN_BYTES", size - 64)
    assert not started.keep().exists()
    monkeypatch.undo()
    assert started.keep().exists()


def test_what_is_long_unused_of_the_same_model_goes(started: Started) -> None:
    """With the packages that nothing else needs; all else stays."""
    description = started.keep()
    folder = description.parent
    names = ["model-0123456789abcdef.json", "model-0123456789abcdef.constants", "Old-0.pt2"]
    others = ["another-0123456789abcdef.json", "Needed-0.pt2"]
    for name in (*names, *others, "New-0.pt2"):
        (folder / name).write_text('{"package": "Needed-0.pt2"}')
    long_ago = 1.0
    for name in (*names, *others):
        os.utime(folder / name, (long_ago, long_ago))
    description.unlink()
    started.keep()
    assert [name for name in names if (folder / name).exists()] == []
    assert all((folder / name).exists() for name in (*others, "New-0.pt2", started.code.name))


def test_use_is_noted_without_changing_a_file(tmp_path: Path) -> None:
    """Its time of modification is a part of what it is known by."""
    file = tmp_path / "file"
    file.write_bytes(b"x")
    os.utime(file, (1.0, 2.0))
    unused.note_use(file)
    assert file.stat().st_mtime == 2.0
    unused.remove([file])
    assert file.exists()


def test_of_a_model_only_other_states_are_meant(tmp_path: Path) -> None:
    """A file whose name begins alike is another model's."""
    key, other_key = "0" * 16, "f" * 16
    names = [f"m.Q4_1-{key}", f"m.Q4_1-{other_key}", f"m.Q4_1-b-{key}", f"m.Q4_1-{key}.lock"]
    for name in names:
        (tmp_path / name).touch()
    assert unused.siblings(tmp_path / names[0]) == [tmp_path / names[1]]


def test_a_probe_that_is_there_saves_measuring(started: Started) -> None:
    """Measuring what a program takes imports it."""
    from serve_daemon.engine import footprint

    assert config_probe.cached(str(started.cache), "") is not None
    assert footprint.unknown(started.cache, "compiled", with_bitsandbytes=False) == {}
