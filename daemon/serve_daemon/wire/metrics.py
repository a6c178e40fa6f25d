"""What gateways count of the requests for each model, and how they tell it.

Every count grows for as long as its process lives, and is told whole; so whoever sums them up needs
no reply, and loses of a process that dies no more than what it had not told yet.
"""

from enum import StrEnum

from msgspec import Struct

from serve_daemon.wire.messages import Message

# A counter is one number. A histogram is the sum of what was seen, then how often it was in each
# bucket: up to its bound, beyond the one before; the last one has no bound. A later version may
# append numbers, and may not change those that are there.
Counts = dict[str, list[float]]

# The upper bounds of buckets are vLLM's, so that its boards work; those of a single token begin
# earlier, as small models are faster than its least.
REQUEST_SECONDS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
FIRST_TOKEN_SECONDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5),
    *(10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
TOKEN_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
TOKENS = tuple(
    float(digit * 10**exponent) for exponent in range(6) for digit in (1, 2, 5)
)  # up to 500,000


class Histogram(StrEnum):
    """Of requests, unless told otherwise; seconds or tokens."""

    FIRST = "ttft"  # since it was let in
    BETWEEN_TOKENS = "itl"  # of tokens: since the one before
    EACH = "tpot"  # between two tokens on the average of the request
    WHOLE = "e2e"  # from when it was let in to its end
    QUEUE = "queue"  # until an engine had it
    PREFILL = "prefill"  # from there to its first token
    DECODE = "decode"  # from there to its last token
    INFERENCE = "inference"  # both
    PROMPT_TOKENS = "prompt"
    GENERATED_TOKENS = "generated"


BOUNDS: dict[str, tuple[float, ...]] = {
    Histogram.FIRST: FIRST_TOKEN_SECONDS,
    Histogram.BETWEEN_TOKENS: TOKEN_SECONDS,
    Histogram.EACH: TOKEN_SECONDS,
    Histogram.WHOLE: REQUEST_SECONDS,
    Histogram.QUEUE: REQUEST_SECONDS,
    Histogram.PREFILL: REQUEST_SECONDS,
    Histogram.DECODE: REQUEST_SECONDS,
    Histogram.INFERENCE: REQUEST_SECONDS,
    Histogram.PROMPT_TOKENS: TOKENS,
    Histogram.GENERATED_TOKENS: TOKENS,
}


class Counter(StrEnum):
    PROMPT_TOKENS = "prompt_tokens"
    CACHED_TOKENS = "cached_tokens"  # of those
    GENERATED_TOKENS = "generated_tokens"
    OUTCOME = "outcome"  # of requests: a counter for each `Outcome`, named "outcome.stop"
    STATUS = "status"  # of replies over HTTP, probes left out: "status.200"


class Outcome(StrEnum):
    """What has become of a request for a model."""

    STOP = "stop"  # the model came to an end, or to a text to stop at
    LENGTH = "length"  # as many tokens as it may have
    ABORT = "abort"  # its client left, or the daemon had no more time
    ERROR = "error"
    INVALID = "invalid"  # it can't be answered by this model
    REFUSED = "refused"  # too many are open, or the model is not to be had


def labelled(name: str, label: str) -> str:
    """The name of one of several counters that differ by a label."""
    return f"{name}.{label}"


class ModelCounts(Struct, frozen=True, array_like=True):
    model: str  # "": what belongs to none
    open_requests: int  # now
    queued: int  # those of them that wait for their turn
    counts: Counts


class Counted(Message, frozen=True):
    """The counts of those models of which something has changed since they were last told."""

    models: list[ModelCounts]
