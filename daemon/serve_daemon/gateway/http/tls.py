"""The certificate as Granian wants it, which reads files: here they are in memory alone."""

import os
from typing import Any

from granian.constants import SSLProtocols

from serve_daemon.wire.routing import TlsPair

PROTOCOLS = {"1.2": SSLProtocols.tls12, "1.3": SSLProtocols.tls13}


def granian_context(pair: TlsPair) -> tuple[Any, ...]:
    """What `granian` builds from its options on TLS, for the same certificate.

    The files stay open for as long as this process lives: it serves with one pair.
    """
    client_ca = _file(pair.client_ca) if pair.client_ca else None
    return (
        True,
        _file(pair.certificate),
        _file(pair.key),
        None,  # the key is not encrypted
        str(PROTOCOLS[pair.min_version]),
        client_ca,
        [],
        client_ca is not None,
    )


def _file(content: bytes) -> str:
    descriptor = os.memfd_create("tls")
    os.write(descriptor, content)
    return f"/proc/self/fd/{descriptor}"
