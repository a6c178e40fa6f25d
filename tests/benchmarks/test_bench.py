"""Who takes part in the benchmark, and what its section says of them."""

import argparse
import sys
from pathlib import Path

import pytest

import bench
import goals
import sections
from bench import Bench, of_first_start
from contestants import Setup, in_process, version_of_llama
from cpu_results import Results
from figures import Figure
from first_start import FirstStart
from turns import Turn

SPEED = Figure("1 stream: throughput", "tokens/s", more_is_better=True)


def chosen(**options: object) -> argparse.Namespace:
    usual = {"python": sys.executable, "llama_server": None, "all": False, "only": None}
    return argparse.Namespace(**{**usual, **options})


def names(tmp_path: Path, **options: object) -> list[str]:
    return [each.name for each in Bench(chosen(**options), tmp_path).contestants]


def test_all_that_a_goal_names_take_part(tmp_path: Path) -> None:
    """And no others, unless they are asked for."""
    asked = {name for goal in goals.GOALS for name in (goal.ours, goal.peer) if name}
    few = names(tmp_path, llama_server="llama-server")
    assert asked <= set(few)
    (tmp_path / "all").mkdir()
    everyone = names(tmp_path / "all", llama_server="llama-server", all=True)
    assert set(few) < set(everyone)
    assert {"transformers serve", "compiled Q4_1 in process"} <= set(everyone)


def test_without_a_llama_server_it_has_no_column(tmp_path: Path) -> None:
    """And the report says why."""
    assert goals.LLAMA not in names(tmp_path)


def test_a_name_that_nobody_has_is_refused(tmp_path: Path) -> None:
    """With the names that there are."""
    with pytest.raises(SystemExit, match="serve-daemon compiled Q4_1"):
        Bench(chosen(only=["nobody"]), tmp_path)


def test_the_first_round_weighs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once is enough for what does not vary, and it takes minutes."""
    monkeypatch.setattr(sys, "argv", ["bench.py", "python"])
    options = bench.options()
    assert [bench.plan_of(options, number).idle_seconds for number in range(3)] == [20.0, 0.0, 0.0]
    assert [bench.plan_of(options, number).seed for number in range(3)] == [0, 1, 2]


def test_the_section_has_goals_figures_and_ratios(tmp_path: Path) -> None:
    """Each daemon is compared with the peers, and with its engine in process."""
    everyone = Bench(chosen(llama_server="llama-server", all=True), tmp_path).contestants
    turns = {each.name: [Turn({SPEED: 60.0})] for each in everyone}
    turns[goals.LLAMA] = [Turn({SPEED: 30.0}, failure="ended after its last reply")]
    body = Results(everyone, turns, "plot.svg").body(["about"])
    assert "| at least 1.5 x | 2 x | yes |" in body
    assert f"### {goals.Q4}, times better than" in body
    assert "- llama-server, round 1: ended after its last reply" in body
    assert "| 60 | 60 | 100 % |" in body


def test_a_first_start_is_a_figure_too() -> None:
    """With the compiled step where there is one."""
    assert [each.name for each in of_first_start(FirstStart(8.0, None))] == [
        "first start of all, exec to the first answer"
    ]
    assert FirstStart(8.0, 50.0).line("ours").endswith("8.0 s; to the compiled step: 50.0 s")
    assert set(of_first_start(FirstStart(8.0, 50.0)).values()) == {8.0, 50.0}


def test_an_engine_in_process_starts_from_its_servers_cache(tmp_path: Path) -> None:
    """What is packed and compiled is found there."""
    ours = Bench(chosen(), tmp_path).contestants[:1]
    (within,) = in_process([Setup("tiny", "compiled")], ours)  # type: ignore[arg-type]
    assert within.server == ours[0].name
    assert str(within.cache) in within.command([])


def test_a_llama_server_tells_its_version(tmp_path: Path) -> None:
    """On its standard error."""
    program = tmp_path / "llama-server"
    program.write_text("#!/bin/sh\necho 'version: 7 (0c1e570)' >&2\n")
    program.chmod(0o755)
    assert version_of_llama(str(program)) == "llama-server's version: 7 (0c1e570)"


def test_vectors_are_the_widest_that_a_processor_has() -> None:
    """Nothing is said of one that names none of them."""
    assert bench.vectors(["model name : any", "flags : fpu avx2 avx512f"]) == " with AVX-512"
    assert bench.vectors(["flags : fpu avx2"]) == " with AVX2"
    assert bench.vectors(["Features : asimd"]) == ""


def test_each_title_has_a_plot_of_its_own() -> None:
    """The first one's is where the README has it."""
    assert bench.plot_of(sections.CPU).name == "results.svg"
    assert bench.plot_of(sections.NARROW_CPU).name == "results-cpu-without-avx-512.svg"
