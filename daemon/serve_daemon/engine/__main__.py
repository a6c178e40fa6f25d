"""The command line of the engine program."""

import argparse
import sys

from serve_daemon.engine.program import Program


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m serve_daemon.engine",
        description="Run one model for serve-daemon, which starts this program itself.",
    )
    parser.add_argument("--probe", action="store_true", help="say what torch can do here, as JSON")
    parser.add_argument("--model", help="the name that ps shows")
    parser.add_argument("--link-fd", type=int, help="a connected socket to the supervisor")
    parser.add_argument("--listen-fd", type=int, help="a listening socket for gateways")
    options = parser.parse_args(arguments)
    if options.probe:
        from serve_daemon.engine.probe import print_probe

        return print_probe()
    if None in (options.model, options.link_fd, options.listen_fd):
        parser.error("--model, --link-fd and --listen-fd are needed, or --probe")
    return Program(options.link_fd, options.listen_fd).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
