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


async def make_pictures(into: Path, daemon: RunningDaemon) -> None:
    async with Browser(daemon.directory) as browser:
        scenes = Scenes(daemon, browser, REAL)
        await scenes.begin()
        async for name in scenes.all():
            for file in await scenes.picture(name, into, scale=SCALE):
                print(file)  # noqa: T201 - what it is asked for
        await browser.resize(*NARROW, scale=SCALE)
        await browser.value("scrollTo(0, 0)")
        for scheme in SCHEMES:
            await browser.prefer(color_scheme=scheme)
            await browser.screenshot(into / f"ui-narrow-{scheme}.png")


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
