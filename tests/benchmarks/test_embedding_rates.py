"""What `make bench-embeddings` asks, and how it tells what came of it."""

import embeddings


def test_everyone_gets_the_same_texts() -> None:
    """In every round; of as many words as are told."""
    texts = embeddings.texts(50, seed=1)
    assert texts == embeddings.texts(50, seed=1) != embeddings.texts(50, seed=2)
    words = [len(text.split()) for text in texts]
    assert embeddings.SHORTEST <= min(words) < max(words) <= embeddings.LONGEST


def test_the_table_compares_with_the_better_of_transformers() -> None:
    """By the medians of the rounds."""
    rates = {
        "serve-daemon": [300.0, 100.0, 200.0],
        "Transformers, 1": [50.0, 90.0, 80.0],
        "Transformers, 2": [100.0],
    }
    assert embeddings.table(rates).splitlines()[2:] == [
        "| serve-daemon | 200 | 2.00 |",
        "| Transformers, 1 | 80 | 0.80 |",
        "| Transformers, 2 | 100 | 1.00 |",
    ]
