"""From words that must not be said to the sequences of tokens that must not come."""

from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer


def sequences_of(words: Iterable[str], tokenizer: Tokenizer) -> list[list[int]]:
    """What says `words`, at the beginning of a text and after a space, each sequence once."""
    return [list(each) for each in dict.fromkeys(_sequences(words, tokenizer))]


def _sequences(words: Iterable[str], tokenizer: Tokenizer) -> Iterator[tuple[int, ...]]:
    for word in words:
        bare = word.lstrip()
        alone, inside = (_encode(text, tokenizer) for text in (bare, f" {bare}"))
        if alone:
            yield alone
        # Where the space is a token of its own, the word after it is banned already.
        if inside and not (alone and inside[-len(alone) :] == alone):
            yield inside


def _encode(text: str, tokenizer: Tokenizer) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids)
