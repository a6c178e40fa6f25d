"""What single tokens stand for, for each way in which tokenizers write bytes."""

from tokenizers import Tokenizer, decoders, models

from fakes.artefacts import END, make_tokenizer
from serve_daemon.api.logprobs import TokenLogprob, TopLogprob
from serve_daemon.gateway.text.token_bytes import TokenBytes
from serve_daemon.wire.sampling import Logprobs


def token_bytes(tokenizer: Tokenizer) -> TokenBytes:
    return TokenBytes(tokenizer, tokenizer.to_str().encode())


def test_byte_level_tokens() -> None:
    """All 256 bytes, merged ones, and marks; joined they are the text."""
    tokenizer = make_tokenizer()
    of = token_bytes(tokenizer).of
    text = "the h\u00e9 \U0001f600\n\x00\x7f\u00ad" + "".join(map(chr, range(0x80, 0x250)))
    tokens = tokenizer.encode(text).ids
    assert b"".join(map(of, tokens)) == text.encode()
    assert of(tokenizer.encode(END).ids[0]) == END.encode()
    assert of(10**6) == b""


def test_tokens_of_sentencepiece() -> None:
    """A word's start is a space, and bytes have a token each."""
    pieces = ["<unk>", "<0xE2>", "<0x82>", "\u2581the", "x"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: number for number, piece in enumerate(pieces)},
            merges=[],
            byte_fallback=True,
        )
    )
    spaces = decoders.Replace("\u2581", " ")
    tokenizer.decoder = decoders.Sequence([spaces, decoders.ByteFallback()])
    of = token_bytes(tokenizer).of
    assert [of(token) for token in range(1, 5)] == [b"\xe2", b"\x82", b" the", b"x"]


def test_tokens_of_other_tokenizers() -> None:
    """What they are decoded to."""
    tokenizer = Tokenizer(models.WordPiece(vocab={"the": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    assert token_bytes(tokenizer).of(0) == b"the"


def test_a_rendered_token_has_text_and_bytes() -> None:
    """Half a character has bytes, and a sign in place of its text; no infinity gets into JSON."""
    tokenizer = make_tokenizer()
    first = tokenizer.encode("\u00e9").ids[0]
    rendered = token_bytes(tokenizer).render(first, Logprobs(-0.5, [first], [-float("inf")]))
    text = "\N{REPLACEMENT CHARACTER}"
    assert rendered == TokenLogprob(text, [0xC3], -0.5, [TopLogprob(text, [0xC3], -9999.0)])
