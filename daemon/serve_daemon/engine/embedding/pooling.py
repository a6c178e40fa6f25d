"""From the hidden states of a text's tokens to one vector, as sentence-transformers does it.

`states` is [texts, tokens, size] in float32, `mask` [texts, tokens, 1] with 1 for each token and 0
for the padding, which is on the right.
"""

from collections.abc import Callable, Iterable

import torch
from safetensors.torch import load_file
from torch.nn import functional

from serve_daemon.engine.embedding.modules import Dense, Module, Normalize, Pooling

Vectors = torch.Tensor  # [texts, size]


def cls(states: torch.Tensor, _mask: torch.Tensor) -> Vectors:
    return states[:, 0]


def last_token(states: torch.Tensor, mask: torch.Tensor) -> Vectors:
    last = mask[:, :, 0].sum(1).long() - 1
    return states[torch.arange(len(states), device=states.device), last]


def highest(states: torch.Tensor, mask: torch.Tensor) -> Vectors:
    return states.masked_fill(mask == 0, -torch.inf).amax(1)


def mean(states: torch.Tensor, mask: torch.Tensor) -> Vectors:
    return (states * mask).sum(1) / mask.sum(1)


def mean_sqrt_length(states: torch.Tensor, mask: torch.Tensor) -> Vectors:
    return (states * mask).sum(1) / mask.sum(1).sqrt()


def weighted_mean(states: torch.Tensor, mask: torch.Tensor) -> Vectors:
    """The first token counts once, the second twice, and so on (arXiv 2202.08904)."""
    places = torch.arange(1, states.shape[1] + 1, device=states.device, dtype=states.dtype)
    weights = mask * places[None, :, None]
    return (states * weights).sum(1) / weights.sum(1)


POOLINGS: dict[str, Callable[[torch.Tensor, torch.Tensor], Vectors]] = {
    "cls": cls,
    "max": highest,
    "mean": mean,
    "mean_sqrt_len_tokens": mean_sqrt_length,
    "weightedmean": weighted_mean,
    "lasttoken": last_token,
}


class Tail:
    """All that follows a model. It computes in float32."""

    def __init__(self, modules: Iterable[Module], device: str) -> None:
        pooling, *rest = modules
        if not isinstance(pooling, Pooling):
            raise TypeError("the first module is to be the pooling")
        self._poolings = [POOLINGS[mode] for mode in pooling.modes]
        self._rest = [_function_of(module, device) for module in rest]

    def __call__(self, states: torch.Tensor, mask: torch.Tensor) -> Vectors:
        vectors = torch.cat([pool(states, mask) for pool in self._poolings], dim=1)
        for function in self._rest:
            vectors = function(vectors)
        return vectors


def _function_of(module: Module, device: str) -> Callable[[Vectors], Vectors]:
    match module:
        case Normalize():
            return lambda vectors: functional.normalize(vectors, dim=1)
        case Dense():
            return _layer(module, device)
    raise TypeError(f"{module} can't follow a pooling")


def _layer(module: Dense, device: str) -> Callable[[Vectors], Vectors]:
    weights = load_file(module.weights, device=device)
    matrix = weights["linear.weight"].float()
    bias = weights["linear.bias"].float() if "linear.bias" in weights else None
    activation = getattr(torch.nn, module.activation)()
    return lambda vectors: activation(functional.linear(vectors, matrix, bias))
