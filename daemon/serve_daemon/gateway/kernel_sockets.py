"""What the kernel knows of TCP connections, asked over netlink (man 7 sock_diag)."""

import socket
import struct
from collections.abc import Iterator

from msgspec import Struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
DONE, ERROR = 3, 2  # kinds of netlink messages
ESTABLISHED = 1 << 1
ASK_FOR_INFO = 1 << 1  # INET_DIAG_INFO
INFO = 2

HEADER = struct.Struct("=IHHII")  # length, kind, flags, sequence, port
PORTS = struct.Struct("!HH")
QUERY = struct.Struct("=BBBBI")
ATTRIBUTE = struct.Struct("=HH")
SOCKET_BYTES = 72  # of struct inet_diag_msg, after which the attributes come
ADDRESSES_AT, UNREAD_AT = 8, 56  # in it
BYTES_ACKED_AT = 120  # in struct tcp_info
RECEIVE_BYTES = 256 * 1024

MAPPED = bytes(10) + b"\xff\xff"  # how IPv6 writes an IPv4 address

Address = tuple[bytes, int]


class TcpSocket(Struct, frozen=True):
    """One end of an established connection."""

    local: Address
    remote: Address
    unread_bytes: int  # that have come and that its program has not read
    acked_bytes: int  # that the other kernel has, of all that its program has written


def established(*, local_port: int = 0, remote_port: int = 0) -> Iterator[TcpSocket]:
    """The connections of this host with these ports; 0 is any.

    Raises `OSError` where netlink is closed to us.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as netlink:
        for family in (socket.AF_INET, socket.AF_INET6):
            netlink.send(_request(family, local_port, remote_port))
            yield from _replies(netlink)


def address(host: str, port: str | int) -> Address | None:
    """The address that ASGI writes as text; None for what is no TCP."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return _plain(socket.inet_pton(family, host)), int(port)
        except OSError:
            continue
    return None


def _plain(host: bytes) -> bytes:
    return host[12:] if host.startswith(MAPPED) else host


def _request(family: int, local_port: int, remote_port: int) -> bytes:
    query = QUERY.pack(family, socket.IPPROTO_TCP, ASK_FOR_INFO, 0, ESTABLISHED)
    query += PORTS.pack(local_port, remote_port) + bytes(44)
    length = HEADER.size + len(query)
    return HEADER.pack(length, SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 0, 0) + query


def _replies(netlink: socket.socket) -> Iterator[TcpSocket]:
    while True:
        data = netlink.recv(RECEIVE_BYTES)
        position = 0
        while position < len(data):
            length, kind, *_ = HEADER.unpack_from(data, position)
            body = data[position + HEADER.size : position + length]
            if kind == DONE:
                return
            if kind == ERROR:
                number = -struct.unpack_from("=i", body)[0]
                raise OSError(number, "the kernel refused to list sockets")
            yield _read_socket(body)
            position += (length + 3) & ~3


def _read_socket(body: bytes) -> TcpSocket:
    size = 4 if body[0] == socket.AF_INET else 16
    local_port, remote_port = PORTS.unpack_from(body, 4)
    local = body[ADDRESSES_AT : ADDRESSES_AT + size]
    remote = body[ADDRESSES_AT + 16 : ADDRESSES_AT + 16 + size]
    (unread,) = struct.unpack_from("=I", body, UNREAD_AT)
    return TcpSocket(
        local=(_plain(local), local_port),
        remote=(_plain(remote), remote_port),
        unread_bytes=unread,
        acked_bytes=_acked_bytes(body),
    )


def _acked_bytes(body: bytes) -> int:
    position = SOCKET_BYTES
    while position + ATTRIBUTE.size <= len(body):
        length, kind = ATTRIBUTE.unpack_from(body, position)
        if kind == INFO:
            (acked,) = struct.unpack_from("=Q", body, position + ATTRIBUTE.size + BYTES_ACKED_AT)
            return int(acked)
        position += (max(length, ATTRIBUTE.size) + 3) & ~3
    return 0
