"""The certificate that the API shows, its key, and whether the two are any good."""

import hashlib
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from msgspec import Struct

SOON_SECONDS = 14 * 24 * 3600.0
PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
SEQUENCE, UTC_TIME, GENERALIZED_TIME, VERSION = 0x30, 0x17, 0x18, 0xA0  # tags of DER
FIRST_OF_THE_CENTURY = 50  # RFC 5280: a year of two digits below is one of the 21st


class BadCertificate(Exception):  # noqa: N818 - it names what was found
    """Which key of [server] is wrong, what with it, and what to do."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Tls(Struct, frozen=True):
    """All that it takes to speak TLS, as PEM; what is shown of it tells no secret."""

    certificate: bytes
    key: bytes
    client_ca: bytes = b""  # empty: clients need no certificate
    min_version: str = "1.3"

    def __repr__(self) -> str:
        return f"Tls({hashlib.sha256(self.certificate).hexdigest()[:16]})"


def check(tls: Tls, now: float) -> None:
    """Raises `BadCertificate` where clients could not connect. `now` is in Unix seconds."""
    try:
        begin, end = validity(tls.certificate)
    except ValueError:
        raise BadCertificate("tls_certificate", "holds no certificate in PEM form") from None
    if now > end:
        message = f"the certificate has expired on {_date(end)}, renew it"
        raise BadCertificate("tls_certificate", message)
    if now < begin:
        message = f"the certificate is not valid before {_date(begin)}, set the clock or wait"
        raise BadCertificate("tls_certificate", message)
    _check_pair(tls)
    _check_client_ca(tls.client_ca)


def expires_soon(tls: Tls, now: float) -> str:
    """When, if it is soon; else ""."""
    _, end = validity(tls.certificate)
    return f"the certificate expires on {_date(end)}" if end - now < SOON_SECONDS else ""


def _check_pair(tls: Tls) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _file(tls.certificate) as certificate, _file(tls.key) as key:
        try:
            context.load_cert_chain(certificate, key, password=_refuse_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                message = "is not the key of the certificate, name the one it was made with"
            else:
                message = f"holds no private key in PEM form ({error.reason or error})"
            raise BadCertificate("tls_key", message) from error
        except _Encrypted:
            message = "is encrypted, and nobody is there to type its password: decrypt it"
            raise BadCertificate("tls_key", message) from None


def _check_client_ca(client_ca: bytes) -> None:
    if not client_ca:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(cadata=client_ca.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        message = "holds no certificate in PEM form"
        raise BadCertificate("tls_client_ca", message) from error


class _Encrypted(Exception):  # noqa: N818 - it never leaves this module
    pass


def _refuse_password() -> str:
    raise _Encrypted


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path under which a library finds what is in memory alone."""
    descriptor = os.memfd_create("tls")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- validity, from DER


def validity(certificates: bytes) -> tuple[float, float]:
    """Unix seconds from which, and until which, all of the chain are valid.

    Raises `ValueError` where there is none, or one is broken.
    """
    found = PEM.findall(certificates)
    if not found:
        raise ValueError("no certificate")
    times = [_validity(ssl.PEM_cert_to_DER_cert(each.decode("ascii"))) for each in found]
    return max(begin for begin, _ in times), min(end for _, end in times)


def _validity(der: bytes) -> tuple[float, float]:
    """Of one certificate (RFC 5280, 4.1): after version, number, algorithm and issuer."""
    try:
        _, whole, _ = _element(der, 0)
        _, position, _ = _element(der, whole)
        tag, _, end = _element(der, position)
        skipped = 3 if tag == VERSION else 2  # the version is optional, the rest is not
        for _ in range(skipped):
            position = end
            _, _, end = _element(der, position)
        _, first, _ = _element(der, end)
        _, _, second = _element(der, first)
        return _time(der, first), _time(der, second)
    except IndexError:
        raise ValueError("the certificate is cut") from None


def _element(der: bytes, position: int) -> tuple[int, int, int]:
    """Its tag, where its content begins, and where it ends."""
    tag, length = der[position], der[position + 1]
    begin = position + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(der[begin : begin + size], "big")
        begin += size
    return tag, begin, begin + length


def _time(der: bytes, position: int) -> float:
    tag, begin, end = _element(der, position)
    text = der[begin:end].decode("ascii")
    if tag == UTC_TIME:
        text = ("20" if int(text[:2]) < FIRST_OF_THE_CENTURY else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
