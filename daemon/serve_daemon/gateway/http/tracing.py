"""The trace that a request belongs to, as W3C's Trace Context has it.

What comes in `traceparent` is continued: our part is a span of its own, whose parent is the
client's, and which the reply names in `traceresponse`. A header that is malformed counts as none.
`tracestate` belongs to others and would be handed on with a request; the gateway makes none.
"""

import re
import secrets
from collections.abc import Iterable

from msgspec import Struct

# Version, trace, parent, flags. A later version may say more after them (3.2 of the standard).
TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
VERSION = b"00"


class Trace(Struct, frozen=True):
    trace_id: str
    parent_id: str  # the client's span
    span_id: str  # ours
    flags: str

    @property
    def response(self) -> bytes:
        """What the reply says of it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode()


def trace_of(headers: Iterable[tuple[bytes, bytes]]) -> Trace | None:
    """The trace that a request belongs to, and our span of it; None where it names none."""
    found = [value.strip() for name, value in headers if name == b"traceparent"]
    match = TRACEPARENT.fullmatch(found[0]) if len(found) == 1 else None
    if match is None or (match[1] == VERSION and match[5] is not None):
        return None
    trace_id, parent_id, flags = (each.decode() for each in match.group(2, 3, 4))
    # Of the flags, `sampled` is what we know; whether the trace's id is random is its maker's word.
    return Trace(trace_id, parent_id, secrets.token_hex(8), flags)
