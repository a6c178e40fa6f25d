"""The collector of cycles, as the gateway has it."""

import gc

from serve_daemon.gateway.garbage import STAYING_OBJECTS, look_seldom


class Node:
    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_never_looked_at_again_and_new_cycles_still_go() -> None:
    """Later, but without anybody's asking."""
    threshold = gc.get_threshold()
    try:
        look_seldom()
        assert gc.get_freeze_count() > 0
        gone: list[str] = []
        gc.callbacks.append(lambda phase, _info: gone.append(phase))
        kept = [Node() for _ in range(STAYING_OBJECTS + 1)]
        assert gone == ["start", "stop"]
        del kept
        assert gc.collect() >= STAYING_OBJECTS
    finally:
        gc.callbacks.pop()
        gc.unfreeze()
        gc.set_threshold(*threshold)
