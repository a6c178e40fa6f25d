"""What the kernel knows of TCP connections on this host, asked over netlink (man 7 sock_diag)."""

import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
DONE, ERROR = 3, 2  # kinds of netlink messages
ESTABLISHED = 1 << 1
RECEIVE_BYTES = 256 * 1024

HEADER = struct.Struct("=IHHII")  # of a message: length, kind, flags, sequence, port
QUERY = struct.Struct("=BBBBI")  # struct inet_diag_req_v2: family, protocol, _, _, states,
PORTS = struct.Struct("!HH")  # then the ports, local and remote,
REST_OF_QUERY = bytes(44)  # and addresses, interface and cookie, which are any
# struct inet_diag_msg: family, three bytes, local and remote port, local and remote address,
# interface, cookie, a timer, and at last what is unread.
SOCKET = struct.Struct("!B3xHH16s16x")
UNREAD = struct.Struct("=I")
UNREAD_AT = 56

MAPPED = bytes(10) + b"\xff\xff"  # how IPv6 writes an IPv4 address

Address = tuple[bytes, int]


def unread_bytes(remote_port: int) -> dict[Address, int]:
    """What programs on this host have not read yet of what came from this port, for each end.

    Raises `OSError` where netlink is closed to us.
    """
    unread: dict[Address, int] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as netlink:
        for family in (socket.AF_INET, socket.AF_INET6):
            netlink.send(_request(family, remote_port))
            while _read_replies(netlink.recv(RECEIVE_BYTES), unread):
                pass
    return unread


def address(host: str, port: str | int) -> Address | None:
    """The address that ASGI writes as text; None for what is no TCP."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return _plain(family, socket.inet_pton(family, host)), int(port)
        except OSError:
            continue
    return None


def _plain(family: int, host: bytes) -> bytes:
    """Four bytes for IPv4, however it is written."""
    if family == socket.AF_INET:
        return host[:4]
    return host[12:] if host.startswith(MAPPED) else host


def _request(family: int, remote_port: int) -> bytes:
    query = QUERY.pack(family, socket.IPPROTO_TCP, 0, 0, ESTABLISHED)
    query += PORTS.pack(0, remote_port) + REST_OF_QUERY
    length = HEADER.size + len(query)
    return HEADER.pack(length, SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 0, 0) + query


def _read_replies(data: bytes, unread: dict[Address, int]) -> bool:
    """Whether more is to come."""
    position = 0
    while position < len(data):
        length, kind, *_ = HEADER.unpack_from(data, position)
        body = position + HEADER.size
        if kind == DONE:
            return False
        if kind == ERROR:
            raise OSError(-struct.unpack_from("=i", data, body)[0], "sockets can't be listed")
        family, local_port, _, host = SOCKET.unpack_from(data, body)
        (count,) = UNREAD.unpack_from(data, body + UNREAD_AT)
        unread[_plain(family, host), local_port] = count
        position += (length + 3) & ~3
    return True
