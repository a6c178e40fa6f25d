"""Who may use the API: the keys of a configuration, as digests of what clients present.

A key is drawn with 256 bits, so that one SHA-256 of it is enough: there is nothing to guess that a
slow hash would have to protect, as there is in a password.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator

from msgspec import Struct

from serve_daemon.config.check import Finding
from serve_daemon.config.credentials import read_credential
from serve_daemon.config.problems import KeyPath
from serve_daemon.config.schema import Config, Key

KEY_BYTES = 32
PREFIX = "sha256:"
SENDABLE = re.compile(rb"[\x21-\x7e]+")  # in a header, and without a space


class Grant(Struct, frozen=True):
    """What a key is good for. The key itself is kept nowhere."""

    name: str
    digests: tuple[bytes, ...]  # SHA-256, of each key that the name stands for
    models: tuple[str, ...] = ()  # by their own names; none: all


class BadKeys(Exception):  # noqa: N818 - it names what was found
    """A credential whose content is no key: what, and what to do."""


def new_key() -> str:
    """A key that nobody has had before."""
    return f"sk-{secrets.token_urlsafe(KEY_BYTES)}"


def hash_of(key: str) -> str:
    """As `hash` of [keys.NAME] has it."""
    return f"{PREFIX}{hashlib.sha256(key.encode()).hexdigest()}"


def grant_of(name: str, config: Config, directory: str) -> Grant:
    """What [keys.NAME] says, its credential read.

    Raises `BadKeys`, and what `read_credential` raises.
    """
    key = config.keys[name]
    if key.hash:
        digests = [bytes.fromhex(key.hash.removeprefix(PREFIX))]
    else:
        digests = list(_digests(read_credential(key.credential, directory)))
    own_names = {alias: each for each, model in config.models.items() for alias in model.aliases}
    models = {own_names.get(each, each) for each in key.models}
    return Grant(name, tuple(digests), tuple(sorted(models)))


def _digests(content: bytes) -> Iterator[bytes]:
    """Of a file that holds one key, or one in each line."""
    found = False
    for number, line in enumerate(content.splitlines(), 1):
        if not (key := line.strip()):
            continue
        if not SENDABLE.fullmatch(key):
            raise BadKeys(
                f"line {number} of the credential is no key: it has a space, or a character that"
                " no header can carry"
            )
        found = True
        yield hashlib.sha256(key).digest()
    if not found:
        raise BadKeys("the credential holds no key, write one into it")


def check_keys(config: Config) -> Iterator[Finding]:
    """What is wrong with [keys], as far as it stands in the file itself."""
    known = {*config.models, *(alias for each in config.models.values() for alias in each.aliases)}
    for name, key in config.keys.items():
        path: KeyPath = ("keys", name)
        if not key.hash and not key.credential:
            yield Finding(path, "sets neither hash nor credential, write one of them")
        if key.hash and key.credential:
            yield Finding((*path, "credential"), "stands beside hash, remove one of the two")
        for index, model in enumerate(key.models):
            if model not in known:
                message = f'"{model}" is neither a model nor an alias, define it or remove it'
                yield Finding((*path, "models", index), message)


def is_whole(key: Key) -> bool:
    """Whether it says in one way what the key is."""
    return bool(key.hash) != bool(key.credential)
