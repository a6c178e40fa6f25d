"""Who may use the API, and what it shows of itself: all that is read from files of secrets."""

import time
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from msgspec import Struct

from serve_daemon.config import certificate
from serve_daemon.config.api_keys import BadKeys, Grant, check_keys, grant_of, is_whole
from serve_daemon.config.certificate import BadCertificate, Tls
from serve_daemon.config.check import Finding
from serve_daemon.config.credentials import OutOfSight, Unusable, read_credential
from serve_daemon.config.problems import KeyPath
from serve_daemon.config.schema import Config

T = TypeVar("T")

TLS_FILES = ("tls_certificate", "tls_key", "tls_client_ca")


class Access(Struct, frozen=True):
    """What the gateway is given."""

    grants: tuple[Grant, ...] = ()  # none: whoever connects may use the API
    tls: Tls | None = None


class Judged(Struct, frozen=True):
    """What was made of a configuration's secrets."""

    access: Access
    broken: tuple[Finding, ...] = ()
    unseen: tuple[Finding, ...] = ()  # what is not for whoever asks to read, and may be good


def read_access(config: Config, directory: str, doubtful: Collection[KeyPath] = ()) -> Judged:
    """Read every file of secrets. `directory` is that of credentials; "": there are none.

    The values of `doubtful` keys and tables are not known, so what depends on them is not judged.
    """
    reading = _Reading(directory)
    keys = [name for name, key in config.keys.items() if is_whole(key)]
    grants = [
        grant
        for name in keys
        if ("keys", name) not in doubtful and (grant := reading.grant(name, config)) is not None
    ]
    reading.broken += [each for each in check_keys(config) if each.path[:2] not in doubtful]
    reading.broken += _twice(grants, config)
    is_known = not any(path[0] == "server" for path in doubtful)
    tls = reading.tls(config) if is_known else None
    return Judged(Access(tuple(grants), tls), tuple(reading.broken), tuple(reading.unseen))


class _Reading:
    """Reads files, and writes down what is wrong with them."""

    def __init__(self, directory: str) -> None:
        self.broken: list[Finding] = []
        self.unseen: list[Finding] = []
        self._directory = directory

    def grant(self, name: str, config: Config) -> Grant | None:
        path = ("keys", name, "credential")
        return self._try(path, lambda: grant_of(name, config, self._directory))

    def tls(self, config: Config) -> Tls | None:
        """What [server] says of TLS, if all of it is good."""
        if halves := list(_halves(config)):
            self.broken += halves
            return None
        if not config.server.tls_certificate:
            return None
        files = [self._file(config, key) for key in TLS_FILES]
        match files:
            case [bytes() as own, bytes() as key, bytes() as client_ca]:
                tls = Tls(own, key, client_ca, config.server.tls_min_version)
            case _:
                return None
        try:
            certificate.check(tls, time.time())
        except BadCertificate as error:
            self.broken.append(Finding(("server", error.key), str(error)))
        return tls

    def _file(self, config: Config, key: str) -> bytes | None:
        name = getattr(config.server, key)
        if not name:
            return b""
        is_secret = key == "tls_key"
        return self._try(
            ("server", key), lambda: read_credential(name, self._directory, is_secret=is_secret)
        )

    def _try(self, path: KeyPath, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (Unusable, BadKeys) as error:
            self.broken.append(Finding(path, str(error)))
        except OutOfSight as error:
            self.unseen.append(Finding(path, str(error)))
        return None


def _halves(config: Config) -> Iterator[Finding]:
    server = config.server
    for key, other in (
        ("tls_certificate", "tls_key"),
        ("tls_key", "tls_certificate"),
        ("tls_client_ca", "tls_certificate"),
    ):
        if getattr(server, key) and not getattr(server, other):
            yield Finding(("server", key), f"has no effect without {other}, set that too")


def _twice(grants: list[Grant], config: Config) -> Iterator[Finding]:
    """One key under two names: nobody could tell whose a request is."""
    owners: dict[bytes, str] = {}
    for grant in grants:
        key = "hash" if config.keys[grant.name].hash else "credential"
        for digest in grant.digests:
            owner = owners.setdefault(digest, grant.name)
            if owner != grant.name:
                message = f"holds a key of {owner} too, remove it from one of the two"
                yield Finding(("keys", grant.name, key), message)
