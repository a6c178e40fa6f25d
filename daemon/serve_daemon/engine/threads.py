"""How many threads compute, and on which core each of them does.

Threads that share a computation wait for each other hundreds of times a step. Where two of them are
on one core, which the kernel may leave so for many milliseconds once somebody else has woken on the
other, each such wait costs a time slice. So with as many threads as cores each keeps to its own.
"""

import ctypes
import os

import torch

from serve_daemon.engine.kernels import build


def compute_with(threads: int) -> None:
    """Have the calling thread, and the pool that it computes with, be so many threads."""
    torch.set_num_threads(threads)
    library = build.library()
    if library is not None:
        cores = sorted(os.sched_getaffinity(os.getpid()))  # of the process, not of this thread
        library.serve_daemon_keep_to_cores((ctypes.c_int * len(cores))(*cores), len(cores), threads)
