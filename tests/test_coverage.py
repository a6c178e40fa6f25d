"""Whoever decides is a pure module, whose own unit tests take every branch of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import source

# Each has its tests in the file of its name.
DECIDING = (
    "config/plan",
    "gateway/engines/affinity",
    "gateway/engines/fair_queue",
    "gateway/engines/suspects",
    "gateway/engines/turnover",
    "gateway/engines/verdicts",
    "supervisor/advice",
    "supervisor/changes",
    "supervisor/exits",
    "supervisor/forecast",
    "supervisor/idleness",
    "supervisor/leaving",
    "supervisor/liveness",
    "supervisor/members",
    "supervisor/outcomes",
    "supervisor/placement",
    "supervisor/restarts",
    "supervisor/routing",
    "supervisor/states",
    "supervisor/turns",
    "supervisor/wanted",
)


def unit_tests_of(module: str) -> str:
    package, _, name = module.rpartition("/")
    return str(source.TESTS / package / f"test_{name}.py")


@pytest.fixture(scope="module")
def coverage(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[object]]]:
    """By module, the lines and branches that its tests leave out."""
    directory = tmp_path_factory.mktemp("coverage")
    included = ",".join(str(source.PACKAGE / f"{each}.py") for each in DECIDING)
    data, report = directory / "data", directory / "report.json"
    coverage = [sys.executable, "-m", "coverage"]
    measured = [*coverage, "run", "--branch", f"--data-file={data}", f"--include={included}"]
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *map(unit_tests_of, DECIDING)]
    ran = subprocess.run(
        [*measured, *tests], cwd=source.ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
    told = [*coverage, "json", f"--data-file={data}", "-o", str(report), "--quiet"]
    subprocess.run(told, cwd=source.ROOT, check=True)
    return missing(report)


def missing(report: Path) -> dict[str, dict[str, list[object]]]:
    return {
        str(Path(name).relative_to(source.PACKAGE.relative_to(source.ROOT)).with_suffix("")): {
            "lines": found["missing_lines"],
            "branches": found["missing_branches"],
        }
        for name, found in json.loads(report.read_text())["files"].items()
    }


@pytest.mark.parametrize("module", DECIDING)
def test_every_branch_is_taken(module: str, coverage: dict[str, dict[str, list[object]]]) -> None:
    """A branch that no test takes is one that nobody has thought through."""
    assert coverage[module] == {"lines": [], "branches": []}
