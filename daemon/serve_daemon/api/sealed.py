"""What this server hands out as `encrypted_content`, to get it back as it was.

It is encoded, not encrypted: what is in it has been shown to the client anyway, or came from it.
"""

import base64
import binascii
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest

MARK = "sd1."  # the version of the encoding


class SealedReasoning(Struct, frozen=True, tag="reasoning"):
    """What a model thought."""

    text: str


class SealedConversation(Struct, frozen=True, tag="conversation"):
    """A conversation made short: what its beginning was about, and the items that are kept."""

    summary: str
    items: list[dict[str, Any]]


Content = TypeVar("Content", SealedReasoning, SealedConversation)


def sealed(content: SealedReasoning | SealedConversation) -> str:
    return MARK + base64.urlsafe_b64encode(msgspec.json.encode(content)).decode()


def opened(text: str, path: str, kind: type[Content]) -> Content:
    """What was sealed as `text`. Raises `InvalidRequest` for what this server has not written."""
    try:
        return msgspec.json.decode(_decoded(text), type=kind)
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError) as error:
        message = f"Invalid '{path}': this server did not write it, so it can't read it: {error}."
        raise InvalidRequest(message, path, "invalid_encrypted_content") from error


def _decoded(text: str) -> bytes:
    if not text.startswith(MARK):
        raise ValueError("it has not the mark of this server")
    return base64.b64decode(text.removeprefix(MARK).encode(), b"-_", validate=True)
