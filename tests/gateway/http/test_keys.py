"""Which requests a key lets in, and what is told of one that does not."""

import hashlib

import pytest

from serve_daemon.gateway.common.asking import Asker, asker, asking
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.keys import Keys, masked
from serve_daemon.wire.routing import KeyGrant

Headers = list[tuple[bytes, bytes]]
ONE, TWO = "sk-one-0123456789abcdef0123456789abcdef", "sk-two-0123456789abcdef0123456789abcdef"
KEYS = Keys(
    [
        KeyGrant("one", [hashlib.sha256(ONE.encode()).digest()], []),
        KeyGrant("two", [hashlib.sha256(TWO.encode()).digest()], ["m"]),
    ]
)


def bearer(key: str, scheme: str = "Bearer") -> Headers:
    return [(b"host", b"x"), (b"authorization", f"{scheme} {key}".encode())]


def name_of(headers: Headers, path: str = "/v1/models", method: str = "GET") -> str:
    return KEYS.asker(method, path, headers).key_name


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        (bearer(ONE), "one"),
        (bearer(TWO), "two"),
        (bearer(ONE, "bearer"), "one"),
        (bearer(f" {ONE} "), "one"),
        ([(b"x-api-key", ONE.encode())], "one"),
        # Some clients of Anthropic's API fill in both, one of them with what they have at hand.
        ([*bearer("none"), (b"x-api-key", TWO.encode())], "two"),
    ],
)
def test_a_key_is_known_however_it_is_shown(headers: Headers, name: str) -> None:
    """As the SDKs of OpenAI and Anthropic send it."""
    assert name_of(headers) == name


@pytest.mark.parametrize(
    "headers",
    [
        [],
        bearer(""),
        bearer("sk-other"),
        bearer(ONE[:-1]),
        bearer(f"{ONE}x"),
        bearer(ONE, "Basic"),
        [(b"authorization", ONE.encode())],
        [(b"x-api-key", b"\xff\x00")],
    ],
)
def test_without_a_good_key_nobody_is_let_in(headers: Headers) -> None:
    """401 as OpenAI gives it, with the scheme that is expected."""
    with pytest.raises(ApiError) as refused:
        name_of(headers)
    error = refused.value
    assert (error.status, error.body.type, error.body.code) == (
        401,
        "invalid_request_error",
        "invalid_api_key",
    )
    assert error.headers == {"www-authenticate": "Bearer"}
    assert ONE[8:-8] not in error.body.message


@pytest.mark.parametrize("path", ["/health", "/ready", "/openapi.json"])
def test_probes_need_no_key(path: str) -> None:
    """Nor does a browser that asks whether a page may send one."""
    assert name_of([], path) == ""
    assert name_of([], method="OPTIONS") == ""


def test_without_keys_anybody_may() -> None:
    """Whatever is sent as one."""
    assert Keys().asker("POST", "/v1/responses", bearer("anything")) == Asker()


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (b"", "***"),
        (b"secret", "***"),
        (b"sk-0123456789abc", "sk***bc"),
        (ONE.encode(), "sk-o***cdef"),
        (b"\x07" * 40, "????***????"),
    ],
)
def test_a_key_that_is_refused_is_masked(key: bytes, shown: str) -> None:
    """Its owner knows it again; of a short one there is nothing to see."""
    assert masked(key) == shown


def test_a_key_is_good_for_its_models() -> None:
    """For all where it names none."""
    assert Asker("one").may_use("m")
    two = KEYS.asker("GET", "/v1/models", bearer(TWO))
    assert (two.may_use("m"), two.may_use("n")) == (True, False)


def test_who_has_one_key_is_one_client() -> None:
    """Wherever it asks from: a fair queue tells clients apart by that. Without keys, by host."""
    exchange = Exchange({"method": "GET", "path": "/", "client": ("192.0.2.1", "5")}, [])
    assert exchange.client == "192.0.2.1"
    exchange.asker = Asker("one")
    assert (exchange.client, exchange.host) == ("one", "192.0.2.1")


def test_who_asks_is_known_to_what_is_done_for_it() -> None:
    """And to nothing else."""
    with asking(Asker("one")):
        with asking(Asker("two")):
            assert asker().key_name == "two"
        assert asker().key_name == "one"
    assert asker() == Asker()
