"""The project's own source text, as data for the tests of its style."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "daemon" / "serve_daemon"
TESTS = ROOT / "tests"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def docstring(node: ast.Module | Function) -> str:
    return ast.get_docstring(node) or ""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[Function]:
    """Every function of a module, those inside of others too."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def num_lines(function: Function) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def untyped(function: Function) -> list[str]:
    """The parameters without a type, and "return" where that has none."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    names = [each.arg for each in every if each.annotation is None]
    missing = [each for each in names if each not in ("self", "cls")]
    return missing if function.returns is not None else [*missing, "return"]


def called(node: ast.AST) -> set[str]:
    """The names of what is called within a node, the last part of a dotted one."""
    calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    return {each.attr for each in calls if isinstance(each, ast.Attribute)} | {
        each.id for each in calls if isinstance(each, ast.Name)
    }


def can_fail(node: ast.AST) -> bool:
    """Whether something in a node states what must hold: an assertion of more than a constant."""
    asserted = [each.test for each in ast.walk(node) if isinstance(each, ast.Assert)]
    return any(not isinstance(each, ast.Constant) for each in asserted) or any(
        isinstance(each, ast.Raise) and "AssertionError" in ast.dump(each)
        for each in ast.walk(node)
    )


def tracked_texts() -> dict[str, str]:
    """Every text file that is committed, by its path in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    texts = {}
    for name in filter(None, listed):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in content:
            texts[name] = content.decode()
    return texts
