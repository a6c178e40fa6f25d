"""Incremental decoding, against decoding all at once."""

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from fakes.artefacts import END, make_tokenizer
from serve_daemon.gateway.text.detokenize import Detokenizer

BYTE_LEVEL = make_tokenizer()
PIECES = ["<unk>", "▁the", "▁a", "b", "é", "😀", "▁", *(f"<0x{byte:02X}>" for byte in range(256))]


def make_sentencepiece_like() -> Tokenizer:
    """As Llama's and Gemma's: words with a mark for the space, and bytes for what is no word."""
    vocabulary = {piece: number for number, piece in enumerate(PIECES)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True)
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


FIRST_BYTE = PIECES.index("<0x00>")
SENTENCEPIECE_LIKE = make_sentencepiece_like()


def pieces_of(tokenizer: Tokenizer, tokens: list[int]) -> list[str]:
    """What comes with each token, and at the end."""
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.feed([token]) for token in tokens]
    return [*pieces, detokenizer.flush()]


def tokens_of(tokenizer: Tokenizer) -> st.SearchStrategy[list[int]]:
    """Any tokens: most sequences are no text at all, half characters and stray bytes."""
    return st.lists(st.integers(0, tokenizer.get_vocab_size() - 1), max_size=40)


@given(tokens_of(BYTE_LEVEL))
def test_any_tokens_of_a_byte_level_vocabulary(tokens: list[int]) -> None:
    """The pieces joined are the whole decoded."""
    assert "".join(pieces_of(BYTE_LEVEL, tokens)) == BYTE_LEVEL.decode(tokens)


@given(st.lists(st.integers(0, 6) | st.sampled_from(["x", "ß", "€", "🦄"])))
def test_text_of_a_vocabulary_with_byte_fallback(parts: list[int | str]) -> None:
    """Words, and characters that are spelled in bytes: the pieces joined are the whole decoded."""
    tokens: list[int] = []
    for part in parts:
        spelled = part.encode() if isinstance(part, str) else b""
        tokens += [FIRST_BYTE + byte for byte in spelled] or [int(part)]
    whole = SENTENCEPIECE_LIKE.decode(tokens)
    assert "".join(pieces_of(SENTENCEPIECE_LIKE, tokens)) == whole


@given(tokens_of(SENTENCEPIECE_LIKE))
def test_stray_bytes_do_no_harm_to_words(tokens: list[int]) -> None:
    """Bytes that are no character come out as something, and words as they are.

    There is no whole to compare with: one stray byte changes how all bytes before it are decoded.
    """
    words = [PIECES[token] for token in tokens if 1 <= token < FIRST_BYTE - 1]
    text = "".join(pieces_of(SENTENCEPIECE_LIKE, tokens))
    assert sum(map(text.count, "b😀")) >= sum(word in "b😀" for word in words)


@given(st.text(), st.integers(0, 200))
def test_text_is_never_cut_within_a_character(text: str, length: int) -> None:
    """No piece but the last has a replacement character that is not in the text."""
    tokens = BYTE_LEVEL.encode(text, add_special_tokens=False).ids[:length]
    *pieces, _ = pieces_of(BYTE_LEVEL, tokens)
    assert text.startswith("".join(pieces))


def test_special_tokens_are_no_text() -> None:
    """Wherever they stand."""
    tokens = BYTE_LEVEL.encode(f"a{END}b{END}").ids
    assert pieces_of(BYTE_LEVEL, tokens) == ["a", "", "b", "", ""]


def test_several_tokens_at_once_are_one_piece() -> None:
    """As when the client was slower than the engine."""
    assert Detokenizer(BYTE_LEVEL).feed(BYTE_LEVEL.encode("all the world 😀").ids) == (
        "all the world 😀"
    )


def test_special_tokens_have_a_text_unless_they_are_hidden() -> None:
    """Where it is said which are; else none has."""
    tokens = BYTE_LEVEL.encode(f"<|user|>the{END}").ids
    hidden = frozenset(BYTE_LEVEL.encode(END).ids)
    shown = Detokenizer(BYTE_LEVEL, hidden)
    assert "".join([shown.feed([token]) for token in tokens]) == "<|user|>the"
    assert "".join(pieces_of(BYTE_LEVEL, tokens)) == "the"
