"""Certificates of a throw-away authority, for this host."""

import ssl
from datetime import datetime
from pathlib import Path

import trustme

HOST = "127.0.0.1"


class Authority:
    """Signs certificates that its own clients trust."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    def pair(
        self,
        host: str = HOST,
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> tuple[bytes, bytes]:
        """A certificate for `host` with its chain, and the key, as PEM."""
        made = self._authority.issue_cert(host, not_before=not_before, not_after=not_after)
        chain = b"".join(each.bytes() for each in made.cert_chain_pems)
        return chain, made.private_key_pem.bytes()

    def write(self, directory: Path, host: str = HOST) -> tuple[Path, Path]:
        """The files of a new pair, in place of those that were there."""
        paths = directory / "certificate.pem", directory / "key.pem"
        for path, content in zip(paths, self.pair(host), strict=True):
            path.touch(mode=0o600)
            path.write_bytes(content)
        return paths

    @property
    def certificate(self) -> bytes:
        return self._authority.cert_pem.bytes()

    def trust(self) -> ssl.SSLContext:
        """What a client needs to believe in a certificate of ours."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        return context

    def client(self) -> ssl.SSLContext:
        """The same, for a client that has a certificate of ours itself."""
        context = self.trust()
        self._authority.issue_cert("client@example.org").configure_cert(context)
        return context
