"""Code that is let go of."""

import subprocess
import sys
from pathlib import Path

import pytest

from serve_daemon.wire import code

RESIDENT = """
import re, sys
from pathlib import Path
from serve_daemon.wire import code
import numpy

def resident() -> int:
    '''Kilobytes of the libraries' code.'''
    parts = re.split(r"^(?=[0-9a-f]+-)", Path("/proc/self/smaps").read_text(), flags=re.M)
    sizes = [re.search(r"^Rss: +([0-9]+)", part, re.M) for part in parts if " r-xp " in part]
    return sum(int(size[1]) for size in sizes if size)

before = resident()
code.let_go()
after = resident()
assert numpy.ones((9, 9)).dot(numpy.ones((9, 9))).sum() == 729
print(before, after)
"""


def test_what_was_let_go_of_runs_again() -> None:
    """What the interpreter itself runs is there again at once, most of the rest is not."""
    ran = subprocess.run([sys.executable, "-c", RESIDENT], capture_output=True, check=True)
    before, after = map(int, ran.stdout.split())
    assert 0 < after < before / 2


def test_only_code_that_is_as_its_file_has_it_is_let_go_of() -> None:
    """Data, and code that was written to, would be lost."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    mapped = {line.split()[0]: line.split(maxsplit=5)[1:] for line in lines}
    found = [f"{begin:08x}-{end:08x}" for begin, end in code.unwritten()]
    assert found
    for each in found:
        rights, _, _, inode, name = mapped[each]
        assert (rights, inode == "0", name[0]) == ("r-xp", False, "/")


def test_where_the_kernel_does_not_tell_nothing_is_let_go_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in a sandbox; it is no reason to fail."""
    monkeypatch.setattr(code, "MAPS", tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        next(code.unwritten())
    code.let_go()
