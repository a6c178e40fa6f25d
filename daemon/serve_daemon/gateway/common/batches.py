"""The tokens of an answer as they came, from which it can be told again just as it was."""

from collections.abc import Sequence

from msgspec import Struct

from serve_daemon.wire.messages import Finish, Submit
from serve_daemon.wire.sampling import Logprobs


class Batch(Struct, frozen=True, array_like=True):
    """What was taken of an engine at once."""

    tokens: list[int]
    finish: Finish | None = None  # with the last one
    cached_tokens: int = 0  # of the prompt; with the first one
    logprobs: list[Logprobs] = []  # of each token, if the order asks for them


class Resumption(Struct, frozen=True):
    """What another gateway needs to go on with an answer, beside its request and its batches."""

    order: Submit
    vocabulary: str  # fingerprint of the tokenizer by which its tokens mean something


class Begun(Struct, frozen=True):
    """An answer that an earlier gateway has begun."""

    resumption: Resumption
    batches: Sequence[Batch]
