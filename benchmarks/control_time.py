"""How soon the control socket answers, what the supervisor holds, what `servectl status` takes.

make bench-control
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import SOURCE, free_port, running

ROUNDS = 5
CALL = b'{"method":"io.servedaemon.Control.Status","parameters":{}}\0'


def first_answer(path: Path) -> float:
    """Seconds from now until the control socket has answered."""
    start = time.monotonic()
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
                client.sendall(CALL)
                if client.recv(1):
                    return time.monotonic() - start
            except OSError:
                time.sleep(0.002)


def one_round(directory: Path) -> tuple[float, float, float, int]:
    """Seconds to the first answer, of `servectl status` twice, and the supervisor's bytes."""
    file = directory / "serve.toml"
    file.write_text(
        f'[server]\nlisten = ["127.0.0.1:{free_port()}"]\n[models.smollm2]\nsource = "{SOURCE}"\n'
    )
    environment = {"XDG_RUNTIME_DIR": str(directory), "XDG_CACHE_HOME": str(directory / "cache")}
    path = directory / "serve-daemon" / "control.sock"
    commands = Path(sys.executable).parent
    with running([str(commands / "serve-daemon"), "--config", str(file)], environment):
        answered = first_answer(path)
        servectl = [str(commands / "servectl"), "--socket", str(path)]
        loading = seconds_of([*servectl, "status"])
        seconds_of([*servectl, "start", "smollm2"])  # returns when it is ready
        ready = seconds_of([*servectl, "status"])
        with (Path(f"/proc/{_pid(path)}") / "statm").open() as statm:
            pages = int(statm.read().split()[1])
    return answered, loading, ready, pages * os.sysconf("SC_PAGE_SIZE")


def seconds_of(command: list[str]) -> float:
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def _pid(path: Path) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[:4], sys.byteorder)


def main() -> None:
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as directory:
            rounds.append(one_round(Path(directory)))
    columns = zip(*rounds, strict=True)
    answered, loading, ready, memory = (statistics.median(column) for column in columns)
    print(f"exec to the control socket's first answer, models loading: {answered:.3f} s")
    print(f"servectl status, meanwhile: {loading:.3f} s; once the model is ready: {ready:.3f} s")
    print(f"memory of the supervisor: {memory / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
