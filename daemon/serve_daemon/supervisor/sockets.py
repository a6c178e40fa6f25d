"""The listening sockets: bound here, or handed over by systemd, and never closed by a restart."""

import errno
import os
import socket
import stat
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
STORE_NAME = "serve-daemon-api"
BACKLOG = 4096
# A client that stops reading must be seen soon, so the kernel may not buffer minutes of tokens.
SEND_BUFFER_BYTES = 128 * 1024


class Inherited(Struct, frozen=True):
    """A socket from systemd: from a socket unit, or from our own entry in the descriptor store."""

    name: str
    socket: socket.socket

    @property
    def is_stored(self) -> bool:
        return self.name == STORE_NAME


class ListenError(OSError):
    """An address can't be listened on; the message says which and why."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"can't listen on {address}: {reason}")
        self.address = address


def take_inherited(environment: MutableMapping[str, str]) -> list[Inherited]:
    """The stream sockets that systemd passed, by sd_listen_fds(3); the variables are taken away."""
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "0")
    names = [name for name in environment.pop("LISTEN_FDNAMES", "").split(":") if name]
    if pid != str(os.getpid()):
        return []
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count))
    names += ["unknown"] * (len(descriptors) - len(names))
    return [
        Inherited(name, _adopt(descriptor))
        for name, descriptor in zip(names, descriptors, strict=False)
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    ]


def _adopt(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


class ListeningSockets:
    """By address, as [server] listen or a socket unit and [metrics] listen have them."""

    def __init__(self, inherited: list[Inherited]) -> None:
        # Where a socket unit says where to listen, [server] listen doesn't.
        self._activated = [each.socket for each in inherited if not each.is_stored]
        stored = [each.socket for each in inherited if each.is_stored]
        self._stored = {address_of(each): each for each in stored}
        self._open: dict[str, socket.socket] = {}

    def open(
        self, addresses: Sequence[str], own: Sequence[str] = ()
    ) -> Mapping[str, socket.socket]:
        """The sockets of the API at `addresses`, or as a socket unit has them, then those at `own`.

        New ones where there are none yet. Closes none. Raises `ListenError`, having bound nothing,
        where one can't be had.
        """
        if self._activated:
            return {address_of(each): each for each in self._activated} | self._open_all(own)
        return self._open_all([*addresses, *own])

    def _open_all(self, addresses: Sequence[str]) -> dict[str, socket.socket]:
        new: dict[str, socket.socket] = {}
        stored = dict(self._stored)
        try:
            for address in addresses:
                if address not in self._open:
                    new[address] = self._take_stored(address) or bind(address)
        except ListenError:
            for address in [each for each in new if new[each] not in stored.values()]:
                close(address, new[address])
            self._stored = stored
            raise
        self._open |= new
        return {address: self._open[address] for address in addresses}

    def _take_stored(self, address: str) -> socket.socket | None:
        if address.startswith("unix:"):
            return self._stored.pop(address, None)
        _, name = _resolve(address)
        return next(
            (
                self._stored.pop(key)
                for key, each in list(self._stored.items())
                if each.getsockname()[:2] == name[:2]
            ),
            None,
        )

    def keep_only(self, addresses: Sequence[str]) -> None:
        """Close what is not among `addresses`: nobody listens there any more."""
        for address in [each for each in self._open if each not in addresses]:
            close(address, self._open.pop(address))
        for address in list(self._stored):
            close(address, self._stored.pop(address))

    def bound(self, addresses: Sequence[str]) -> list[str]:
        """Where the sockets of `addresses` really listen: the port that was chosen for port 0."""
        named = [self._open[each] for each in addresses if each in self._open]
        return [address_of(each) for each in self._activated or named]

    @property
    def own(self) -> list[socket.socket]:
        """Those that systemd does not hold in a socket unit."""
        return list(self._open.values())

    def close_all(self) -> None:
        self.keep_only([])


def bind(address: str) -> socket.socket:
    """A socket that listens on HOST:PORT, [IPV6]:PORT or unix:/PATH.

    Raises `ListenError`.
    """
    try:
        if address.startswith("unix:"):
            return _listen_unix(Path(address.removeprefix("unix:")))
        return _listen_tcp(address)
    except OSError as error:
        raise ListenError(address, _reason(error)) from error


def _listen_tcp(address: str) -> socket.socket:
    family, name = _resolve(address)
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listening.bind(name)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _resolve(address: str) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Family and name of HOST:PORT. Raises `ListenError`."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise ListenError(address, _reason(error)) from error
    family, _, _, _, name = found[0]
    return family, name


def _listen_unix(path: Path) -> socket.socket:
    if path.is_socket() and not _answers(path):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def address_of(listening: socket.socket) -> str:
    """The address of a socket as [server] listen writes it."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if listening.family == socket.AF_INET6 else f"{host}:{port}"


def close(address: str, listening: socket.socket) -> None:
    listening.close()
    if address.startswith("unix:"):
        Path(address.removeprefix("unix:")).unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return f"{reason}: stop the program that listens there, or choose another address"
    return reason
