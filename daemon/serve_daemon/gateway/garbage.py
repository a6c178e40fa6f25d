"""How often the interpreter looks for cycles of objects: seldom, since few of ours are in any."""

import gc

# By default it looks at the youngest after 700 that stay, and at all that thousands of streams hold
# every now and then: a quarter of the processor time, and pauses of tens of milliseconds.
STAYING_OBJECTS = 50_000
YOUNG_LOOKS = 20  # before those that stayed are looked at


def look_seldom() -> None:
    """To be called once all is loaded that stays until the end: it is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(STAYING_OBJECTS, YOUNG_LOOKS, YOUNG_LOOKS)
