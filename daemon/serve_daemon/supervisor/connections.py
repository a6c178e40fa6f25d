"""How many connections clients have open, as the kernel tells it in /proc."""

from collections.abc import Collection, Iterator
from pathlib import Path

TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")
ESTABLISHED = "01"


def open_connections(ports: Collection[int]) -> int | None:
    """Of TCP, to these ports of this host; None where the kernel doesn't tell."""
    try:
        return sum(port in ports for table in TABLES for port in _established(Path(table)))
    except OSError:
        return None


def _established(table: Path) -> Iterator[int]:
    """The local port of each connection."""
    if not table.exists():  # of IPv6, where there is none
        return
    with table.open() as lines:
        next(lines)  # the head
        for line in lines:
            _, local, _, state, _ = line.split(None, 4)
            if state == ESTABLISHED:
                yield int(local.rpartition(":")[2], 16)


def ports_of(addresses: Collection[str]) -> set[int]:
    """Of HOST:PORT, as [server] listen has it; none of Unix sockets."""
    return {int(each.rpartition(":")[2]) for each in addresses if not each.startswith("unix:")}
