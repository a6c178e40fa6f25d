"""Whether a certificate and its key are any good."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from fakes.certificates import Authority
from serve_daemon.config.certificate import BadCertificate, Tls, check, expires_soon, validity

NOW = datetime(2040, 5, 17, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def tls(authority: Authority, begin: datetime = NOW - DAY, end: datetime = NOW + 90 * DAY) -> Tls:
    return Tls(*authority.pair(not_before=begin, not_after=end))


@pytest.mark.parametrize("year", [2049, 2050, 2051])
def test_the_end_is_read_to_the_second(authority: Authority, year: int) -> None:
    """In both ways in which a certificate writes it: with two digits of the year up to 2049."""
    end = datetime(year, 2, 28, 23, 59, 58, tzinfo=UTC)
    leaf = tls(authority, NOW, end).certificate
    assert validity(leaf) == (NOW.timestamp(), end.timestamp())


def test_of_a_chain_what_ends_first_counts(authority: Authority) -> None:
    """A client looks at all of it."""
    near, far = (tls(authority, end=NOW + days * DAY).certificate for days in (5, 50))
    assert validity(far + near) == validity(near)


def test_a_good_pair_is_good(authority: Authority) -> None:
    """Also with those whose clients may connect."""
    each = tls(authority)
    check(Tls(each.certificate, each.key, client_ca=authority.certificate), NOW.timestamp())
    assert expires_soon(each, NOW.timestamp()) == ""


def test_one_that_expires_within_two_weeks_is_told(authority: Authority) -> None:
    """With the day; until then it is good."""
    each = tls(authority, end=NOW + 13 * DAY)
    check(each, NOW.timestamp())
    assert expires_soon(each, NOW.timestamp()) == "the certificate expires on 2040-05-30 12:30 UTC"


def encrypted(key: bytes) -> bytes:
    loaded = serialization.load_pem_private_key(key, None)
    pkcs8 = serialization.PrivateFormat.PKCS8
    secret = serialization.BestAvailableEncryption(b"secret")
    return loaded.private_bytes(serialization.Encoding.PEM, pkcs8, secret)


Break = Callable[[Authority, Tls], Tls]
HOUR = timedelta(hours=1)

BROKEN: dict[str, tuple[Break, str, str]] = {
    "expired": (
        lambda authority, _: tls(authority, end=NOW - HOUR),
        "tls_certificate",
        "the certificate has expired on 2040-05-17 11:30 UTC",
    ),
    "early": (
        lambda authority, _: tls(authority, begin=NOW + DAY),
        "tls_certificate",
        "the certificate is not valid before 2040-05-18 12:30 UTC",
    ),
    "empty": (
        lambda _, good: Tls(b"", good.key),
        "tls_certificate",
        "holds no certificate in PEM form",
    ),
    "cut": (
        lambda _, good: Tls(good.certificate[:200] + good.certificate[-60:], good.key),
        "tls_certificate",
        "holds no certificate in PEM form",
    ),
    "no key": (
        lambda _, good: Tls(good.certificate, good.certificate),
        "tls_key",
        "holds no private key in PEM form",
    ),
    "another key": (
        lambda authority, good: Tls(good.certificate, tls(authority).key),
        "tls_key",
        "is not the key of the certificate",
    ),
    "encrypted": (
        lambda _, good: Tls(good.certificate, encrypted(good.key)),
        "tls_key",
        "is encrypted, and nobody is there to type its password",
    ),
    "clients of nobody": (
        lambda _, good: Tls(good.certificate, good.key, client_ca=b"nonsense"),
        "tls_client_ca",
        "holds no certificate in PEM form",
    ),
}


@pytest.mark.parametrize(("spoil", "key", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_told_of_the_file_that_it_is_wrong_with(
    authority: Authority, spoil: Break, key: str, message: str
) -> None:
    """So that it is told at the key of [server] that names it."""
    with pytest.raises(BadCertificate) as refused:
        check(spoil(authority, tls(authority)), NOW.timestamp())
    assert refused.value.key == key
    assert str(refused.value).startswith(message)
