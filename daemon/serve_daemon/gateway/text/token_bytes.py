"""The bytes that single tokens stand for, which need not be whole characters."""

import re
from typing import Any

import msgspec
from msgspec import Struct
from tokenizers import Tokenizer

from serve_daemon.api.logprobs import TokenLogprob, TopLogprob
from serve_daemon.wire.sampling import Logprobs

LEAST_LOGPROB = -9999.0  # JSON has no infinity
BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"  # a space, to tokenizers in the manner of SentencePiece


class TokenizerFile(Struct, frozen=True):
    """As much of tokenizer.json as tells how bytes are written."""

    decoder: Any = None
    added_tokens: list[dict[str, Any]] = []


class TokenBytes:
    """Those of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer, file: bytes) -> None:
        described = msgspec.json.decode(file, type=TokenizerFile)
        decoder = str(described.decoder)
        self._tokenizer = tokenizer
        self._added = {int(token["id"]) for token in described.added_tokens}
        self._is_byte_level = "ByteLevel" in decoder
        self._has_byte_tokens = "ByteFallback" in decoder

    def of(self, token: int) -> bytes:
        """Nothing for a number without a token, which a padded vocabulary has."""
        piece: str | None = self._tokenizer.id_to_token(token)
        if piece is None:
            return b""
        if token in self._added:
            return piece.encode()
        if self._is_byte_level:
            return b"".join(BYTE_LEVEL.get(character, character.encode()) for character in piece)
        if not self._has_byte_tokens:
            return str(self._tokenizer.decode([token], skip_special_tokens=False)).encode()
        byte = BYTE.fullmatch(piece)
        return bytes.fromhex(byte[1]) if byte else piece.replace(WORD_START, " ").encode()

    def render(self, token: int, logprobs: Logprobs) -> TokenLogprob:
        """A token's log-probabilities as the endpoints write them."""
        own = self._render(token, logprobs.logprob)
        top = map(self._render, logprobs.top_tokens, logprobs.top_logprobs)
        return TokenLogprob(own.token, own.bytes, own.logprob, list(top))

    def _render(self, token: int, logprob: float) -> TopLogprob:
        written = self.of(token)
        text = written.decode(errors="replace")
        return TopLogprob(text, list(written), max(logprob, LEAST_LOGPROB))


def _byte_level() -> dict[str, bytes]:
    """How byte-level tokenizers write bytes: as themselves if printable, else from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    written = {chr(byte): bytes([byte]) for byte in printable}
    return written | {chr(256 + place): bytes([byte]) for place, byte in enumerate(others)}


BYTE_LEVEL = _byte_level()
