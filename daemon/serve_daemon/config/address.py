"""The addresses on which the API listens."""

import re

from msgspec import Struct

_MAX_PORT = 65535
_MAX_UNIX_PATH_BYTES = 107  # sun_path, less its NUL
_HOST_PORT = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/*\[\]]+)):(?P<port>\d{1,5})"
)


class TcpAddress(Struct, frozen=True):
    host: str  # a name or an address, without brackets
    port: int  # 0: any free one


class UnixAddress(Struct, frozen=True):
    path: str


Address = TcpAddress | UnixAddress


def parse_address(text: str) -> Address:
    """Read HOST:PORT, [IPV6]:PORT or unix:/PATH; ValueError says what is wrong."""
    if text.startswith("unix:"):
        return UnixAddress(_unix_path(text.removeprefix("unix:")))
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is no address, write HOST:PORT, [IPV6]:PORT or unix:/PATH')
    port = int(match["port"])
    if port > _MAX_PORT:
        raise ValueError(f"port {port} does not exist, use one up to {_MAX_PORT}")
    return TcpAddress(match["ipv6"] or match["host"], port)


def _unix_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f'"{path}" is a relative path, write unix:/PATH')
    if len(path.encode()) > _MAX_UNIX_PATH_BYTES:
        raise ValueError(
            f"the path of a Unix socket is too long, shorten it to {_MAX_UNIX_PATH_BYTES} bytes"
        )
    return path
