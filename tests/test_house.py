"""The house rules: linters, types, import contracts, budgets, and what must not be committed."""

import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import source

MAX_MODULE_LINES = 250
MAX_TESTS_LINES = 300
MAX_FUNCTION_LINES = 50
MAX_P90_FUNCTION_LINES = 30
MAX_MEDIAN_FUNCTION_LINES = 10

BIN = Path(sys.executable).parent
FOLDERS = [name for name in ("daemon", "tests", "benchmarks") if (source.ROOT / name).is_dir()]

# What says that a test states something, where no function of ours does.
ASSERTING_CALLS = {"raises", "warns", "fail", "wait_for", "timeout"}

# What belongs to one machine or one occasion, and not into a repository.
FORBIDDEN = {
    "a home directory": re.compile(r"(?<![\w.~])/(?:root|home/(?!me/)\w+|Users/\w+)/"),
    "a local mount": re.compile(r"(?<![\w.~}])/(?:work|workspace|mnt|scratch)/"),
    "a path out of the repository": re.compile(r"(?:\.\./)+shared\b"),
    "a package index": re.compile(
        r"--(?:extra-)?index-ur[l][ =]|--find-link[s][ =]|--trusted-hos[t]"
        r"|//[\w.]*(?:nexus|artifactory)"
    ),
    "a private address": re.compile(
        r"(?<!==)\b(?:10\.\d+|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+\b"
    ),
    "the number of an issue": re.compile(r"\b[Ii]ssue #?\d+"),
    "a mark of unfinished work": re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b"),
    "a key": re.compile(r"BEGIN [A-Z ]*PRIVATE KEY|\b(?:sk-|hf_|ghp_)[A-Za-z0-9]{20,}"),
}

TORCH = ["torch", "accelerate", "bitsandbytes", "gguf", "safetensors"]
WEB = ["falcon", "granian"]
HEAVY = ["transformers", "numpy", "tokenizers", "uvloop"]

IMPORT = """
import importlib, pkgutil, sys
import serve_daemon
names = sys.argv[1].split(",")
for name in names:
    package = importlib.import_module(name)
    for each in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
        if not each.name.endswith("__main__"):
            importlib.import_module(each.name)
print("\\n".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=source.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )


# ---------------------------------------------------------------- linters


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--no-fix", *FOLDERS),
        ("ruff", "format", "--check", *FOLDERS),
        ("lint-imports",),
        ("mypy",),
    ],
    ids=" ".join,
)
@pytest.mark.timeout(600)
def test_the_linter_has_nothing_to_say(command: tuple[str, ...]) -> None:
    """Their rules are in pyproject.toml, with a reason for each that is left out."""
    ran = run(*command)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(
    ("names", "absent"),
    [
        ("serve_daemon.supervisor", [*TORCH, *WEB, *HEAVY]),
        ("serve_daemon.control,serve_daemon.config,serve_daemon.wire", [*TORCH, *WEB, *HEAVY]),
        ("serve_daemon.cli", [*TORCH, *WEB, *HEAVY]),
        ("serve_daemon.gateway,serve_daemon.api", TORCH),
    ],
)
def test_torch_and_the_web_stack_stay_where_they_belong(names: str, absent: list[str]) -> None:
    """What is really imported by every module of a program, indirectly included."""
    ran = run("python", "-c", IMPORT, names)
    assert ran.returncode == 0, ran.stdout
    imported = set(ran.stdout.split())
    assert imported >= {"serve_daemon"}
    assert imported.isdisjoint(absent)


# ---------------------------------------------------------------- budgets


def test_modules_are_small() -> None:
    """What does not fit has two subjects. Tests may be a little longer."""
    too_long = {}
    for folder in FOLDERS:
        limit = MAX_TESTS_LINES if folder == "tests" else MAX_MODULE_LINES
        for path in source.modules(source.ROOT / folder):
            size = len(path.read_text().splitlines())
            if size > limit:
                too_long[source.name_of(path)] = size
    assert too_long == {}


def test_every_module_of_the_package_says_what_it_owns() -> None:
    """In its first line, as one sentence."""
    first = {}
    for path in source.modules(source.PACKAGE):
        docstring = source.docstring(source.parsed(path))
        first[source.name_of(path)] = docstring.split("\n\n")[0]
    assert {name: text for name, text in first.items() if not text.endswith((".", "?"))} == {}


def test_functions_are_short() -> None:
    """Most of them very, and none is long."""
    lengths = {
        f"{source.name_of(path)}:{each.name}": source.num_lines(each)
        for path in source.modules(source.PACKAGE)
        for each in source.functions(path)
    }
    assert {name: size for name, size in lengths.items() if size > MAX_FUNCTION_LINES} == {}
    p90 = statistics.quantiles(lengths.values(), n=10)[-1]
    assert p90 <= MAX_P90_FUNCTION_LINES
    assert statistics.median(lengths.values()) <= MAX_MEDIAN_FUNCTION_LINES


def test_every_parameter_has_a_type() -> None:
    """And every result."""
    untyped = {
        f"{source.name_of(path)}:{each.lineno} {each.name}": missing
        for folder in FOLDERS
        for path in source.modules(source.ROOT / folder)
        for each in source.functions(path)
        if (missing := source.untyped(each))
    }
    assert untyped == {}


# ---------------------------------------------------------------- tests


def _test_functions() -> list[tuple[str, source.Function]]:
    return [
        (f"{source.name_of(path)}:{each.lineno} {each.name}", each)
        for path in source.modules(source.TESTS)
        if path.name.startswith("test_")
        for each in source.functions(path)
        if each.name.startswith("test_")
    ]


def _asserting_functions() -> set[str]:
    """The names of the functions in the tests that state what must hold, or call one that does."""
    every = [each for path in source.modules(source.TESTS) for each in source.functions(path)]
    names = ASSERTING_CALLS | {each.name for each in every if source.can_fail(each)}
    while more := {each.name for each in every if source.called(each) & names} - names:
        names |= more
    return names


def test_every_test_states_the_behaviour() -> None:
    """Its docstring is what a reader of the failure sees first."""
    found = _test_functions()
    assert found
    assert [name for name, each in found if not source.docstring(each)] == []


def test_every_test_can_fail() -> None:
    """It states what must hold, by itself or by a function that it calls."""
    asserting = _asserting_functions()
    assert [
        name
        for name, each in _test_functions()
        if not source.can_fail(each) and not source.called(each) & asserting
    ] == []


@pytest.mark.parametrize("folder", [".", "gateway"])
def test_the_tests_mirror_the_package(folder: str) -> None:
    """Folders of tests are no packages: two files may have one name in two folders."""
    package, tests = source.PACKAGE / folder, source.TESTS / folder
    assert list(tests.rglob("__init__.py")) == []
    packages = {each.name for each in package.iterdir() if (each / "__init__.py").exists()}
    assert packages <= {each.name for each in tests.iterdir() if each.is_dir()}


# ---------------------------------------------------------------- what is committed


def test_nothing_of_one_machine_or_occasion_is_committed() -> None:
    """The repository is read elsewhere, by others, later."""
    found = [
        f"{name}:{number}: {what}: {line.strip()}"
        for name, text in source.tracked_texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in FORBIDDEN.items()
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        (("see /ro", "ot/.cache"), "a home directory"),
        (("see /wo", "rk/main"), "a local mount"),
        (("--index", "-url https://example.org/simple"), "a package index"),
        (("listen on 10.1", ".2.3"), "a private address"),
        (("as iss", "ue 12 says"), "the number of an issue"),
        (("# TO", "DO: mend"), "a mark of unfinished work"),
        (("key = sk-", "a1" * 12), "a key"),
    ],
)
def test_the_patterns_find_what_they_are_for(parts: tuple[str, str], what: str) -> None:
    """Else the test above would be green for nothing. Cut, so that it doesn't find this file."""
    assert FORBIDDEN[what].search("".join(parts))
