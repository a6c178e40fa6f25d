"""What the servers are asked, and when: prompts and arrivals, the same for every server."""

import random
from collections.abc import Iterator
from itertools import count

NEW_TOKENS = 64
LONG_PROMPT_TOKENS = 512
NUM_LONG_PROMPTS = 4
LEAST_REQUESTS = 4  # of all streams of a load together: fewer say little
# What the chat template of the model adds to a message, and this module's own sentence.
TEMPLATE_TOKENS = 48
SHORT_ANSWER = "Which of these words is the longest?"
LONG_ANSWER = "Tell a long story about people who use these words."

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


def num_requests(num_streams: int, at_least: int) -> int:
    """How many requests each of so many streams asks, one after the other."""
    return max(at_least, -(-LEAST_REQUESTS // num_streams))


def label(num_streams: int) -> str:
    """What the figures of a load of so many streams begin with."""
    return f"{num_streams} stream{'s' * (num_streams > 1)}"


def long_prompts(
    seed: int, num_tokens: int = LONG_PROMPT_TOKENS, ending: str = SHORT_ANSWER
) -> Iterator[str]:
    """Questions of about `num_tokens`, each different from its first word on."""
    draw = random.Random(seed)  # noqa: S311 (nothing is secret here)
    while True:
        words = draw.choices(WORDS, k=num_tokens - TEMPLATE_TOKENS)
        yield f"{' '.join(words)}. {ending}"


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
