"""The sequences of tokens that say a word."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from fakes.artefacts import make_tokenizer
from serve_daemon.gateway.grammars.bad_words import sequences_of


def pieces(words: list[str], tokenizer: Tokenizer) -> list[list[str]]:
    return [
        [str(tokenizer.id_to_token(token)) for token in sequence]
        for sequence in sequences_of(words, tokenizer)
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["the"], [["the"], ["Ġthe"]]),
        ([" the"], [["the"], ["Ġthe"]]),
        (["tin"], [["t", "in"]]),
        (["the", "the", " the"], [["the"], ["Ġthe"]]),
        ([" "], [["Ġ"]]),
        (["in the"], [["in", "Ġthe"]]),
    ],
)
def test_a_word_is_banned_at_the_beginning_and_after_a_space(
    words: list[str], expected: list[list[str]]
) -> None:
    """A space that is a token of its own adds nothing to what is banned."""
    assert pieces(words, make_tokenizer()) == expected


def test_a_space_may_make_another_number_of_tokens() -> None:
    """Then the word after it is banned too, which is said in other tokens."""
    vocabulary = {piece: number for number, piece in enumerate(["Ġ", "o", "n", "on", "Ġo", "Ġon"])}
    merges = [("Ġ", "o"), ("Ġo", "n")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    assert pieces(["on"], tokenizer) == [["o", "n"], ["Ġon"]]
