"""What processes hold, and the table of it."""

import mmap
import os

from memory import HEAD, Held, held_by, rows, total


def test_pages_are_counted_by_what_they_are() -> None:
    """What could be shared, as slots are, apart from a process's own."""
    before = held_by(os.getpid())
    room = mmap.mmap(-1, 32 << 20)
    room.write(b"x" * len(room))
    after = held_by(os.getpid())
    room.close()
    assert after.shmem - before.shmem > 32
    assert after.pss - before.pss > 32
    assert after.pss >= after.anonymous + after.file


def test_the_last_row_is_the_sum() -> None:
    """With a cell for each column of the head."""
    held = {"supervisor": Held(30.0, 0.0, 20.0, 10.0), "engine m": Held(600.4, 400.0, 150.0, 50.4)}
    lines = rows("int8", held)
    assert lines[0] == "| int8 | supervisor | 30 | 0 | 20 | 10 |"
    assert lines[-1] == "| int8 | all | 630 | 400 | 170 | 60 |"
    assert {line.count("|") for line in [*HEAD.splitlines(), *lines]} == {7}
    assert total(held) == 630.4
