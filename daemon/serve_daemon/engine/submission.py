"""What can't be computed is refused before it joins a batch. Pure."""

from serve_daemon.wire.messages import Submit


def problem_of(sequence: Submit, max_context: int, vocabulary: int) -> str:
    """Why `sequence` can't be computed; "" if it can."""
    length = len(sequence.tokens)
    if not length:
        return "the prompt has no tokens"
    if length >= max_context:
        return f"the prompt has {length} tokens; the model's context is {max_context}"
    if min(sequence.tokens) < 0 or max(sequence.tokens) >= vocabulary:
        return f"the prompt has tokens outside of the vocabulary of {vocabulary}"
    if sequence.max_new_tokens < 1:
        return "max_new_tokens is less than 1"
    return _sampling_problem(sequence, vocabulary)


def _sampling_problem(sequence: Submit, vocabulary: int) -> str:
    if not 0 <= sequence.num_output < len(sequence.tokens):
        return f"num_output is {sequence.num_output}, of {len(sequence.tokens)} tokens"
    if sequence.sampling.min_tokens and len(set(sequence.stop_tokens)) >= vocabulary:
        return "every token is a stop token, so there is none for min_tokens"
    return ""
