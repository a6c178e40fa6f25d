"""How the next token of a sequence is drawn, as gateways tell engines."""

from msgspec import Struct

NO_LOGPROBS = -1


class Sampling(Struct, frozen=True, array_like=True):
    """How the next token is drawn from the logits. The defaults change nothing."""

    temperature: float = 1.0  # 0 is greedy
    top_p: float = 1.0
    top_k: int = 0  # 0 keeps all
    seed: int = 0  # 64 bits; the gateway draws one where the client gave none
    min_p: float = 0.0  # of the likeliest token's probability; 0 keeps all
    typical_p: float = 1.0
    repetition_penalty: float = 1.0  # of tokens in prompt and output; above 1 they get rarer
    presence_penalty: float = 0.0  # taken from the logit of each token in the output
    frequency_penalty: float = 0.0  # the same, times its number there
    logit_bias: dict[int, float] = {}  # added to the logits of these tokens
    min_tokens: int = 0  # of output before a stop token may come
    logprobs: int = NO_LOGPROBS  # how many of the likeliest are told with each token's own
    banned: list[list[int]] = []  # no such sequence is ever completed; one token is one, too
    allowed: list[int] = []  # the only tokens that may come; none: all may


class Logprobs(Struct, frozen=True, array_like=True):
    """What the model made of one token, and of the likeliest in its place."""

    logprob: float
    top_tokens: list[int]
    top_logprobs: list[float]
