"""How the operators are compiled and found, and what happens where they can't be."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor, nn

from serve_daemon.engine.kernels import build, operators, reference

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no compiler")

WITHOUT_LIBRARY = """
import torch
from serve_daemon.engine.kernels import operators, reference
rows, weight = torch.ones(2, 4).bfloat16(), torch.ones(3, 4).bfloat16()
packed = reference.pack_bf16_weight(weight)
assert operators.bf16_linear(rows, packed, None, 3).tolist() == [[4.0] * 3] * 2
new, cache = torch.ones(1, 1, 4), torch.zeros(1, 1, 2, 4)
place = torch.tensor([0])
result = operators.slot_attention(new, new, new, cache, cache.clone(), place, place, 1.0, 0, 0.0)
assert torch.equal(result, new) and cache.sum() == 4
"""


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has loaded nothing yet, beside no library built ahead."""
    monkeypatch.setattr(build, "_loaded", set())
    monkeypatch.setattr(build, "_failed", set())
    monkeypatch.setattr(build, "BUILT_AHEAD", Path("/nowhere/library.so"))


def script(path: Path, body: str) -> str:
    """An executable that stands for a compiler."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_library_is_compiled_once(tmp_path: Path) -> None:
    """What is in the cache is used; a compiler that calls itself otherwise has its own."""
    count = tmp_path / "count"
    body = f'[ "$1" = --version ] || {{ echo >> {count}; while [ "$1" != -o ]; do shift; done; '
    compiler = script(tmp_path / "compiler", body + 'touch "$2"; }')
    library = build.build(compiler, tmp_path / "cache")
    assert build.build(compiler, tmp_path / "cache") == library
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".so", ".lock"}
    sources = list(build.SOURCES.glob("*.cpp"))
    assert count.read_text() == "\n" * (len(sources) + 1)  # and one that links them
    other = script(tmp_path / "other", "echo another version")
    assert build.key(other) != library.stem


def test_nothing_is_left_of_a_compilation_that_failed(tmp_path: Path) -> None:
    """No library, so that the next start tries again."""
    compiler = script(tmp_path / "compiler", '[ "$1" = --version ] || exit 1')
    with pytest.raises(subprocess.CalledProcessError):
        build.build(compiler, tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_compiler_that_fails_is_told_once(
    unloaded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it said and what to do; the engine goes on."""
    body = '[ "$1" = --version ] || { echo no such flag >&2; exit 1; }'
    monkeypatch.setenv("CXX", script(tmp_path / "compiler", body))
    with capture_logs() as logs:
        assert [build.load(tmp_path), build.load(tmp_path)] == [False, False]
    assert len(logs) == 1
    assert "no such flag" in logs[0]["reason"]
    assert "CXX" in logs[0]["advice"]


def test_no_compiler_is_no_failure(
    unloaded: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning says what to install."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with capture_logs() as logs:
        assert not build.load(tmp_path)
    assert "install g++" in logs[0]["advice"]


def test_a_library_beside_the_module_needs_no_compiler(
    unloaded: None, model_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a wheel may bring one; a broken one is told and compiled anew."""
    compiler = shutil.which("g++")
    assert compiler is not None
    built = build.build(compiler, model_cache / "kernels")
    broken = tmp_path / "broken.so"
    broken.touch()
    monkeypatch.setattr(build, "BUILT_AHEAD", broken)
    with capture_logs() as logs:
        assert build.load(model_cache)
    assert "broken.so" in logs[0]["reason"]
    assert build.library() is not None
    assert built.exists()


def test_it_is_built_ahead_of_any_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What older sources became makes room; a library of others is never looked at."""
    body = 'while [ "$1" != -o ]; do shift; done; touch "$2"'
    monkeypatch.setenv("CXX", script(tmp_path / "compiler", body))
    ahead, old = tmp_path / build.BUILT_AHEAD.name, tmp_path / f"{build.AHEAD}0123.so"
    monkeypatch.setattr(build, "BUILT_AHEAD", ahead)
    old.touch()
    assert build.main() == 0
    assert list(tmp_path.glob(f"{build.AHEAD}*")) == [ahead]
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.main() == 1


def test_the_sources_are_in_the_package() -> None:
    """A wheel carries what a start compiles."""
    assert {path.suffix for path in build.SOURCES.iterdir()} == {".cpp", ".h", ".inc"}
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    assert "engine/kernels/source/*" in pyproject.read_text()


def test_the_reference_stands_in() -> None:
    """Under the same names, in a process that has loaded no library."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


class Cached(nn.Module):
    """Packed linear layer and attention, with caches as buffers."""

    weight: Tensor
    keys: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        weight = torch.randn(128, 64, generator=random).bfloat16()
        self.register_buffer("weight", reference.pack_bf16_weight(weight))
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(4, 2, 64, 16, dtype=torch.bfloat16))

    def forward(self, rows: Tensor, slots: Tensor, positions: Tensor) -> Tensor:
        heads = operators.bf16_linear(rows, self.weight, None, 128).view(-1, 8, 16)
        place = (self.keys, self.values, slots, positions)
        query, key, value = heads[:, :4], heads[:, 4:6], heads[:, 6:]
        result: Tensor = operators.slot_attention(query, key, value, *place, 0.25, 0, 0.0)
        return result.flatten(1) * 2


def batch(tokens: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(step)
    rows = torch.randn(tokens, 64, generator=random).bfloat16()
    return rows, torch.arange(tokens) % 4, torch.arange(tokens) // 4 + step


def test_fake_tensors_pass(model_cache: Path) -> None:
    """The schemas say what is changed, and the shapes are told without computing."""
    assert build.load(model_cache)
    module = Cached()
    rows, slots, positions = batch(5, 0)
    torch.library.opcheck(operators.bf16_linear.default, (rows, module.weight, None, 128))
    heads = torch.randn(5, 8, 16).bfloat16()
    place = (module.keys, module.values, slots, positions)
    arguments = (heads[:, :4], heads[:, 4:6], heads[:, 6:], *place, 0.25, 0, 0.0)
    passed = torch.library.opcheck(operators.slot_attention.default, arguments)
    assert set(passed.values()) == {"SUCCESS"}


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_a_package_keeps_its_caches_up_to_date(model_cache: Path, tmp_path: Path) -> None:
    """Exported with any number of tokens, compiled ahead, run step after step."""
    assert build.load(model_cache)
    tokens = torch.export.Dim("tokens", min=1, max=64)
    shapes = ({0: tokens}, {0: tokens}, {0: tokens})
    exported = torch.export.export(Cached(), batch(5, 0), dynamic_shapes=shapes)
    path = str(tmp_path / "module.pt2")
    torch._inductor.aoti_compile_and_package(exported, package_path=path)
    package, module = torch._inductor.aoti_load_package(path), Cached()
    for step, number in enumerate((5, 1, 4, 9)):
        assert torch.equal(package(*batch(number, step)), module(*batch(number, step)))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_compiled_modules_call_the_operators(model_cache: Path) -> None:
    """With one graph for every number of tokens, and without copies of the caches."""
    assert build.load(model_cache)
    module, plain = Cached(), Cached()
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    for step, number in enumerate((5, 3, 9)):
        assert torch.equal(compiled(*batch(number, step)), plain(*batch(number, step)))
    assert torch.equal(module.keys, plain.keys)
