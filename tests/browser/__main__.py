"""Makes the pictures of the README: the status page over real models, in each state.

python -m browser DIRECTORY
"""

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from browser.chromium import MISSING, Browser
from browser.scenes import NARROW, REAL, SCHEMES, Scenes
from integration.daemon import RunningDaemon

SCALE = 1.5  # dots to a pixel
PICTURES = {"idle": ["light"], "serving": SCHEMES, "loading": ["dark"], "failed": ["light"]}


async def make_pictures(into: Path, daemon: RunningDaemon) -> None:
    async with Browser(daemon.directory) as browser:
        scenes = Scenes(daemon, browser, REAL)
        await scenes.begin()
        async for name in scenes.all():
            for scheme in PICTURES[name]:
                file = into / f"ui-{name}-{scheme}.png"
                print(await scenes.picture(file, scheme, scale=SCALE))  # noqa: T201 - as make does
        print(await scenes.picture(into / "ui-narrow-dark.png", "dark", NARROW, SCALE))  # noqa: T201


async def main(into: Path, cache: str) -> None:
    """A daemon in a directory of its own, but with what earlier starts have compiled."""
    with tempfile.TemporaryDirectory(prefix="serve-daemon-") as directory:
        daemon = RunningDaemon(Path(directory))
        daemon.environment["XDG_CACHE_HOME"] = cache
        try:
            await make_pictures(into, daemon)
        finally:
            await daemon.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="browser", description=__doc__)
    parser.add_argument("into", type=Path)
    parser.add_argument("--cache", default=os.environ.get("XDG_CACHE_HOME", ".cache"))
    options = parser.parse_args()
    if MISSING:
        parser.error(MISSING)
    options.into.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(options.into, str(Path(options.cache).absolute())))
