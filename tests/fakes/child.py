"""A child program that does what its first argument says, with a real link."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time

import msgspec

from serve_daemon.wire.framing import Receiver, encode
from serve_daemon.wire.messages import Failing, Phase, Progress, Reason, SupervisorToEngine

encoder = msgspec.msgpack.Encoder()


def say_last_words(link: socket.socket) -> None:
    """Much on both ways, the last of it just before the exit."""
    for number in range(500):
        sys.stderr.write(f"line {number}\n")
        link.sendall(encode(Progress(Phase.LOADING, done=number), encoder))
    sys.stderr.write("no end")
    sys.stderr.flush()
    link.sendall(encode(Failing(Reason.SOURCE, "last words"), encoder))
    os._exit(7)


def echo(link: socket.socket) -> None:
    """Say back what is heard, as text, until the link ends."""
    receiver: Receiver[SupervisorToEngine] = Receiver(msgspec.msgpack.Decoder(SupervisorToEngine))
    while data := link.recv(65536):
        for message in receiver.feed(data):
            link.sendall(encode(Progress(Phase.LOADING, detail=repr(message)), encoder))


def have_a_child(link: socket.socket) -> None:
    """Start a grandchild that holds stderr and lives on, tell its pid, and wait."""
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    link.sendall(encode(Progress(Phase.LOADING, done=started.pid), encoder))
    link.recv(1)


def ignore_sigterm(link: socket.socket) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    link.sendall(encode(Progress(Phase.LOADING), encoder))
    while True:
        time.sleep(600)


def talk_nonsense(link: socket.socket) -> None:
    link.sendall(b"this is no frame")
    link.recv(1)


def tell_environment(link: socket.socket) -> None:
    """The variables that it has, and what its descriptors are."""
    names = " ".join(sorted(os.environ))
    link.sendall(encode(Progress(Phase.LOADING, detail=names), encoder))


BEHAVIOURS = {
    each.__name__: each
    for each in (
        say_last_words,
        echo,
        have_a_child,
        ignore_sigterm,
        talk_nonsense,
        tell_environment,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("behaviour", choices=BEHAVIOURS)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--listen-fd", type=int, action="append", default=[])
    options = parser.parse_args()
    with socket.socket(fileno=options.link_fd) as link:
        for descriptor in options.listen_fd:
            with socket.socket(fileno=descriptor) as listening:
                address = str(listening.getsockname())
                link.sendall(encode(Progress(Phase.LOADING, detail=address), encoder))
        BEHAVIOURS[options.behaviour](link)


if __name__ == "__main__":
    main()
