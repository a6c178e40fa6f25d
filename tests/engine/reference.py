"""What plain Transformers makes of a prompt, to compare engines with."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

NEAR_TIE = 1e-4  # of two logits; which of them is larger is then a matter of rounding


class Continuation(Struct, frozen=True):
    """Greedy tokens after a prompt, and how much likelier each was than the next best."""

    tokens: list[int]
    gaps: list[float]


@cache
def _model(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    from serve_daemon.engine.gguf import folder as packed
    from serve_daemon.engine.gguf import model as in_blocks

    if packed.is_packed(folder):  # which Transformers doesn't read; it computes with it
        return in_blocks.load(folder, {}).eval()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def generate(folder: Path, prompt: Sequence[int], length: int) -> Continuation:
    """The greedy tokens after `prompt`, in float32, alone in its batch; each is made once."""
    return _generate(folder, tuple(prompt), length)


@cache
def _generate(folder: Path, prompt: tuple[int, ...], length: int) -> Continuation:
    import torch

    made = _model(folder).generate(
        torch.tensor([prompt]),
        max_new_tokens=length,
        min_new_tokens=length,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        repetition_penalty=1.0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    best = torch.cat(made.logits).topk(2, dim=-1).values
    tokens: list[int] = made.sequences[0, len(prompt) :].tolist()
    return Continuation(tokens, (best[:, 0] - best[:, 1]).tolist())


def first_difference(wanted: Continuation, got: Sequence[int]) -> int | None:
    """Where `got` leaves what was wanted; None if it never does."""
    pairs = zip(wanted.tokens, got, strict=True)
    return next((place for place, (ours, theirs) in enumerate(pairs) if ours != theirs), None)


def is_near_tie(wanted: Continuation, place: int) -> bool:
    return wanted.gaps[place] < NEAR_TIE
