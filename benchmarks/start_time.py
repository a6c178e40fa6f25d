"""From exec to the first answered request: this daemon beside `transformers serve`, in one run.

    make bench-start

Both serve the same GGUF file on a CPU, take turns, and start with warm file caches; the daemon has
been started once before, so that what it made of the file is in its cache.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from contestants import BATCHING, Contestant, daemon, transformers_serve
from turns import start_seconds

GIVE_UP_SECONDS = 120.0
ROUNDS = 3


def seconds_of(contestant: Contestant) -> float:
    return start_seconds(contestant, GIVE_UP_SECONDS)


def main(python: str) -> None:
    plain, batching = (transformers_serve(python, flags, 1) for flags in ((), BATCHING))
    with tempfile.TemporaryDirectory() as directory:
        ours = daemon("continuous", Path(directory))
        print(f"first start of the daemon: {seconds_of(ours):.2f} s")
        rounds = []
        for _ in range(ROUNDS):
            figures = seconds_of(ours), seconds_of(plain), seconds_of(batching)
            rounds.append(figures)
            print(
                "serve-daemon {:.2f} s, transformers serve {:.2f} s, batching {:.2f} s".format(
                    *figures
                )
            )
    own, other, batched = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"medians: {own:.2f} s, {other:.2f} s, {batched:.2f} s;"
        f" {other / own:.1f} and {batched / own:.1f} times as fast"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
