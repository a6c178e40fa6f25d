"""`python -m serve_daemon.gateway`."""

import argparse
import os
import socket
import sys

import uvloop

from serve_daemon.gateway.program import Gateway


def main() -> None:
    """Parse the command line, and be the gateway."""
    parser = argparse.ArgumentParser(prog="serve_daemon.gateway", description=__doc__)
    parser.add_argument("--link-fd", type=int, required=True)
    parser.add_argument("--listen-fd", type=int, required=True, action="append")
    parser.add_argument("--num-metrics", type=int, default=0, help="of the last listeners")
    options = parser.parse_args()
    link = socket.socket(fileno=options.link_fd)
    listening = [socket.socket(fileno=number) for number in options.listen_fd]
    num_api = len(listening) - options.num_metrics

    async def run() -> None:
        await Gateway().run(link, listening[:num_api], listening[num_api:])
        sys.stderr.flush()
        os._exit(0)  # the interpreter's own end would wait for threads, and may abort in Granian

    uvloop.run(run())


main()
