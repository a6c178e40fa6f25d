"""The metrics of requests. Pure.

What vLLM counts, too, has vLLM's name and labels, so that its boards show it.
"""

from collections.abc import Iterable, Iterator

from serve_daemon.supervisor.metrics import RESTARTS, STEPS, Totals
from serve_daemon.supervisor.metrics_facts import Facts, count
from serve_daemon.supervisor.prometheus import Sample, family, histogram
from serve_daemon.wire.metrics import BOUNDS, Counter, Histogram, Outcome, labelled

HISTOGRAMS = (
    (
        Histogram.FIRST,
        "vllm:time_to_first_token_seconds",
        "From when a request was let in to its first token.",
    ),
    (
        Histogram.BETWEEN_TOKENS,
        "vllm:inter_token_latency_seconds",
        "Between two tokens of one answer.",
    ),
    (
        Histogram.BETWEEN_TOKENS,
        "vllm:time_per_output_token_seconds",
        "The former name of vllm:inter_token_latency_seconds.",
    ),
    (
        Histogram.EACH,
        "vllm:request_time_per_output_token_seconds",
        "Between two tokens, on the average of a request.",
    ),
    (
        Histogram.WHOLE,
        "vllm:e2e_request_latency_seconds",
        "From when a request was let in to its end.",
    ),
    (
        Histogram.QUEUE,
        "vllm:request_queue_time_seconds",
        "From when a request was let in until an engine had it.",
    ),
    (
        Histogram.PREFILL,
        "vllm:request_prefill_time_seconds",
        "From when an engine had a request to its first token.",
    ),
    (
        Histogram.DECODE,
        "vllm:request_decode_time_seconds",
        "From the first token of a request to its last one.",
    ),
    (
        Histogram.INFERENCE,
        "vllm:request_inference_time_seconds",
        "From when an engine had a request to its last token.",
    ),
    (Histogram.PROMPT_TOKENS, "vllm:request_prompt_tokens", "Tokens of a request's prompt."),
    (Histogram.GENERATED_TOKENS, "vllm:request_generation_tokens", "Tokens of a request's answer."),
)
COUNTERS = (
    (Counter.PROMPT_TOKENS, "vllm:prompt_tokens_total", "Tokens of prompts that were computed."),
    (Counter.GENERATED_TOKENS, "vllm:generation_tokens_total", "Tokens that were generated."),
    (
        Counter.PROMPT_TOKENS,
        "vllm:prefix_cache_queries_total",
        "Tokens of prompts that were looked for among those that were computed before.",
    ),
    (Counter.CACHED_TOKENS, "vllm:prefix_cache_hits_total", "Those of them that were found there."),
    (STEPS, "serve_daemon_engine_steps_total", "Forward steps of the model's engines."),
    (RESTARTS, "serve_daemon_restarts_total", "Starts of the model's engines after a crash."),
)
FINISHED = (Outcome.STOP, Outcome.LENGTH, Outcome.ABORT, Outcome.ERROR)


def of_requests(facts: Facts) -> Iterator[str]:
    totals = facts.totals
    names = sorted({*totals.models, *(each["name"] for each in facts.models)})
    for name, told, about in COUNTERS:
        samples = [({"model_name": each}, count(totals, each, name)) for each in names]
        yield family(told, "counter", about, samples)
    yield family(
        "vllm:request_success_total",
        "counter",
        "Requests that have ended, by the reason.",
        _by_outcome(totals, names, FINISHED, "finished_reason"),
    )
    yield family(
        "serve_daemon_requests_total",
        "counter",
        "Requests for a model, those that were refused included, by what became of them.",
        _by_outcome(totals, names, Outcome, "outcome"),
    )
    for kind, told, about in HISTOGRAMS:
        found = [({"model_name": each}, totals.of(each).get(kind)) for each in names]
        seen = [(labels, counts) for labels, counts in found if counts]
        yield histogram(told, about, BOUNDS[kind], seen)


def _by_outcome(
    totals: Totals, models: list[str], outcomes: Iterable[Outcome], label: str
) -> list[Sample]:
    return [
        (
            {"model_name": model, label: str(each)},
            count(totals, model, labelled(Counter.OUTCOME, each)),
        )
        for model in models
        for each in outcomes
    ]
