"""Which texts are addresses."""

import pytest

from serve_daemon.config.address import Address, TcpAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", TcpAddress("127.0.0.1", 8000)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("[::1]:65535", TcpAddress("::1", 65535)),
        ("unix:/run/serve.sock", UnixAddress("/run/serve.sock")),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    """A host with a port, an IPv6 address in brackets, or the path of a Unix socket."""
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no address"),
        ("8000", "is no address"),
        (":8000", "is no address"),
        ("host:http", "is no address"),
        ("::1:8000", "is no address"),
        ("[::1]", "is no address"),
        ("http://host:80", "is no address"),
        ("host:80 ", "is no address"),
        ("*:80", "is no address"),
        ("host:65536", "port 65536 does not exist"),
        ("unix:serve.sock", "is a relative path"),
        ("unix:", "is a relative path"),
        ("unix:/" + "x" * 107, "is too long"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(text: str, said: str) -> None:
    """The message names the fault and what to do about it."""
    with pytest.raises(ValueError, match=said) as refusal:
        parse_address(text)
    assert ", " in str(refusal.value)
