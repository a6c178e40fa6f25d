"""What processes hold, each page once."""

import mmap
import os
import subprocess
import sys

from holding import Held, Seen, each_once, seen_in


def test_pages_are_counted_by_what_they_are() -> None:
    """What could be shared, as slots are, apart from a process's own."""
    before = seen_in(os.getpid())
    room = mmap.mmap(-1, 32 << 20)
    room.write(b"x" * len(room))
    after = seen_in(os.getpid())
    room.close()
    assert after.shmem - before.shmem >= 32 << 20
    assert after.anonymous - before.anonymous < 16 << 20


def test_what_strangers_have_of_a_file_is_counted_whole() -> None:
    """The interpreter of another process is the same file as ours."""
    code = "print(1, flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout is not None
        stranger.stdout.readline()
        ours, other = seen_in(os.getpid()), seen_in(stranger.pid)
        stranger.communicate(b"\n")
    shared = [name for name in other.files if other.files[name] and ours.files.get(name)]
    assert sum(other.files[name] for name in shared) > 1_000_000
    assert min(other.files.values()) >= 0


def test_what_several_have_counts_where_most_of_it_is() -> None:
    """And once."""
    seen = {
        1: Seen(0, 5, {"libc": 10, "torch": 80}),
        2: Seen(7, 5, {"libc": 20}),
        3: Seen(0, 5, {}),
    }
    assert each_once(seen) == {1: Held(0, 5, 80), 2: Held(7, 5, 20), 3: Held(0, 5, 0)}
    assert each_once(seen)[2].total == 32
