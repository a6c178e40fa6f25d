"""A profile of a step: what is seen of a thread, and a whole run with a tiny model."""

import subprocess
import sys
import threading
from pathlib import Path

import step_profile
from shapes import write
from stacks import Stacks, merged
from step_groups import GROUPS


def test_a_thread_is_seen_where_it_computes() -> None:
    """The one that used most of the processor, whatever others there are."""
    stop, seen_twice = threading.Event(), threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=compute), threading.Thread(target=stop.wait)]
    for each in threads:
        each.start()
    stacks = Stacks()
    with stacks.watching():
        seen_twice.wait(0.2)
    found = stacks.busiest()
    stop.set()
    for each in threads:
        each.join()
    names = [name for name, _ in found]
    assert any(name.endswith(":compute") for name in names)
    assert not any(name.startswith("threading:") and name.endswith("wait") for name in names[:1])


def test_the_smallest_shares_are_told_as_one() -> None:
    """And nothing is lost."""
    shares = [("a", 0.5), ("b", 0.25), ("c", 0.125), ("d", 0.125)]
    assert merged(shares, 2) == [("a", 0.5), ("b", 0.25), ("others", 0.25)]
    assert merged(shares, 4) == shares


def test_a_whole_run_tells_every_part_of_a_step(tmp_path: Path, model_cache: Path) -> None:
    """With a model that is made on the spot, and the operators that are there."""
    model = ["--source", str(write("tiny", tmp_path)), "--load-format", "dummy"]
    model += ["--cache", str(model_cache)]
    load = ["--streams", "2", "--steps", "5", "--prompt-tokens", "16"]
    ran = subprocess.run(
        [sys.executable, step_profile.__file__, "--engine", "continuous", *model, *load],
        capture_output=True,
        check=True,
        text=True,
    )
    rows = dict(
        line.strip("| ").split(" | ")[:2]
        for line in ran.stdout.splitlines()
        if line.startswith("| ") and " | " in line
    )
    shares = {group: float(rows[group].rstrip("%")) for group in GROUPS}
    assert shares["linear"] > 0
    assert 99 < sum(shares.values()) < 101
