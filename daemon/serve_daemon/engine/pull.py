"""A source of the Hub brought into the cache of engines, by a process of its own. No torch."""

import argparse
import os
import signal
import socket
import time
from pathlib import Path

import msgspec

from serve_daemon.config.sources import HubSource, SourceError, parse
from serve_daemon.engine import hub
from serve_daemon.engine.death import die_with_parent
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.framing import encode
from serve_daemon.wire.messages import Failing, Phase, Progress, Reason
from serve_daemon.wire.pulling import Pulled

TELL_SECONDS = 0.1  # between two words on how far it is
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}


class _Link:
    """Tells the supervisor, as often as somebody wants to read it."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._encoder = msgspec.msgpack.Encoder()
        self._told_at = -TELL_SECONDS

    def send(self, message: object) -> None:
        self._socket.sendall(encode(message, self._encoder))

    def progress(self, name: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told_at >= TELL_SECONDS or done >= total:
            self._told_at = now
            self.send(Progress(Phase.DOWNLOADING, name, done, total))


def pull(source: str, *, with_weights: bool, with_code: bool, report: hub.Report) -> Path:
    """Raises `EngineError` and `SourceError` as `hub.find` does."""
    named = parse(source)
    if not isinstance(named, HubSource):
        raise SourceError(f"source '{source}' is on this machine already, or none of the Hub")
    return hub.find(named, with_weights=with_weights, with_code=with_code, report=report)


def main() -> int:
    """Download, and leave with status 0 where all of it is there."""
    parser = argparse.ArgumentParser(prog="serve_daemon.engine.pull", description=__doc__)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--without-weights", action="store_true")
    parser.add_argument("--with-code", action="store_true")
    parser.add_argument("source")
    options = parser.parse_args()
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor hears it too, and decides
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    link = _Link(options.link_fd)
    try:
        path = pull(
            options.source,
            with_weights=not options.without_weights,
            with_code=options.with_code,
            report=link.progress,
        )
    except (EngineError, SourceError) as error:
        link.send(Failing(getattr(error, "reason", Reason.SOURCE), str(error)))
        return 1
    link.send(Pulled(str(path)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
