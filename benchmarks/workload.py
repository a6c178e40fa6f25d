"""What the servers are asked, and when: prompts and arrivals, the same for every server."""

import random
from collections.abc import Iterator
from itertools import count

NEW_TOKENS = 64
LONG_PROMPT_TOKENS = 512
# What the chat template of the model adds to a message, and this module's own sentence.
TEMPLATE_TOKENS = 48

# Each is one token where a space stands before it.
WORDS = [
    "time",
    "year",
    "people",
    "way",
    "day",
    "man",
    "thing",
    "woman",
    "life",
    "child",
    "world",
    "school",
    "state",
    "family",
    "student",
    "group",
    "country",
    "problem",
    "hand",
    "part",
    "place",
    "case",
    "week",
    "company",
    "system",
    "program",
    "question",
    "work",
    "number",
    "night",
    "point",
    "home",
    "water",
    "room",
    "mother",
    "area",
    "money",
    "story",
    "fact",
    "month",
    "lot",
    "right",
    "study",
    "book",
    "eye",
    "job",
    "word",
]
PLACES = ("harbour", "forest", "desert", "castle", "village", "island", "library", "railway")


def prompts(seed: int) -> Iterator[str]:
    """Questions whose answers are long, no two alike, so that no cache answers for a server."""
    for number in count():
        place = PLACES[(seed + number) % len(PLACES)]
        word = WORDS[(seed * 7 + number * 5) % len(WORDS)]
        yield f"Story {seed}-{number}: tell a long story about a {place}, with the {word} in it."


def long_prompts(seed: int) -> Iterator[str]:
    """Questions of about `LONG_PROMPT_TOKENS`, each different from its first word on."""
    draw = random.Random(seed)  # noqa: S311 (nothing is secret here)
    while True:
        words = draw.choices(WORDS, k=LONG_PROMPT_TOKENS - TEMPLATE_TOKENS)
        yield f"{' '.join(words)}. Which of these words is the longest?"


def poisson_arrivals(rate_per_second: float, num_requests: int, seed: int) -> list[float]:
    """The seconds at which requests arrive, in order, independently of one another."""
    if rate_per_second <= 0:
        raise ValueError(f"requests arrive at a rate above 0 per second, not {rate_per_second}")
    draw = random.Random(seed)  # noqa: S311 (nothing is secret here)
    seconds = 0.0
    arrivals = []
    for _ in range(num_requests):
        seconds += draw.expovariate(rate_per_second)
        arrivals.append(seconds)
    return arrivals
