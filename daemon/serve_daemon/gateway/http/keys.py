"""Which key a request shows, and what that is good for."""

import hashlib
import re
from collections.abc import Iterable, Iterator

from serve_daemon.gateway.common.asking import Asker
from serve_daemon.gateway.common.errors import unauthorized
from serve_daemon.wire.routing import KeyGrant

# For probes, and for who wants to know what there is to be asked. All else takes a key.
OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json", "/ui", "/ui/"})
# The files of the status page are open as well, but not what it shows.
OPEN_FILES = re.compile(r"/ui/[\w-]+\.(?:css|js|svg)")
SHOWN_CHARACTERS = 4  # at each end of a key that was refused, and no more than a quarter of it

Headers = Iterable[tuple[bytes, bytes]]


class Keys:
    """The keys of the configuration, found by the digest of what a client presents.

    A lookup takes its time by the digest, of which nobody can choose a bit without trying keys; so
    that time tells nothing of a key, and it is the same for one key and for thousands.
    """

    def __init__(self, grants: Iterable[KeyGrant] = ()) -> None:
        self._askers = {
            digest: Asker(grant.name, frozenset(grant.models))
            for grant in grants
            for digest in grant.digests
        }

    @property
    def are_needed(self) -> bool:
        """Whether anything takes a key at all."""
        return bool(self._askers)

    def asker(self, method: str, path: str, headers: Headers) -> Asker:
        """Who asks for `path`. Without keys, and where none is needed, anybody may.

        Raises `ApiError` 401.
        """
        # A browser sends no key with the OPTIONS by which it asks whether it may send one.
        if not self._askers or _is_open(path) or method == "OPTIONS":
            return Asker()
        presented = b""
        for presented in _presented(headers):
            known = self._askers.get(hashlib.sha256(presented).digest())
            if known is not None:
                return known
        raise unauthorized(_refusal(presented))


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or OPEN_FILES.fullmatch(path) is not None


def _presented(headers: Headers) -> Iterator[bytes]:
    """The keys of a request: OpenAI's clients send a bearer token, Anthropic's may not."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.strip().partition(b" ")
            if scheme.lower() == b"bearer":
                yield token.strip()
        elif name == b"x-api-key":
            yield value.strip()


def _refusal(presented: bytes) -> str:
    if not presented:
        return (
            "You didn't provide an API key. Provide it in an Authorization header, as in"
            " 'Authorization: Bearer YOUR_KEY'."
        )
    return f"Incorrect API key provided: {masked(presented)}."


def masked(key: bytes) -> str:
    """So much of a key that its owner knows it again, and nobody else learns it."""
    shown = min(SHOWN_CHARACTERS, len(key) // 8)
    text = key.decode("latin-1")
    whole = f"{text[:shown]}***{text[len(text) - shown :]}"
    return "".join(each if each.isprintable() else "?" for each in whole)
