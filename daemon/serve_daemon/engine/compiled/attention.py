"""Attention of packed tokens, each with a slot and a position of its own.

Registered under a name with Transformers, so that a decoder's own code calls it. There is no mask
and no cache object: a layer's keys and values lie in buffers of its attention module, one row a
slot, and what a token may see follows from its position.
"""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface

from serve_daemon.engine.compiled.caches import KEY_SCALES, KEYS, VALUE_SCALES, VALUES

NAME = "slots"

# What decoders pass on that changes nothing here.
NEUTRAL = frozenset(
    {
        *("dropout", "position_ids", "cache_position", "use_cache", "is_causal", "training"),
        *("output_attentions", "output_hidden_states", "return_dict", "position_embeddings"),
        *("slots", "positions"),
    }
)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,  # [1, H, T, D]
    key: torch.Tensor,  # [1, K, T, D]
    value: torch.Tensor,  # [1, K, T, D]
    _attention_mask: torch.Tensor | None,
    **arguments: Any,
) -> tuple[torch.Tensor, None]:
    """Store the new keys and values, attend to what each token's slot holds: [1, T, H, D]."""
    packed = [states[0].transpose(0, 1) for states in (query, key, value)]
    caches = [getattr(module, KEYS), getattr(module, VALUES)]
    operator = torch.ops.serve_daemon.slot_attention
    if caches[0].dtype is torch.int8:
        caches += [getattr(module, KEY_SCALES), getattr(module, VALUE_SCALES)]
        operator = torch.ops.serve_daemon.slot_attention_int8
    output = operator(
        *packed,
        *caches,
        arguments["slots"],
        arguments["positions"],
        scale_of(query, arguments),
        arguments.get("sliding_window") or 0,
        arguments.get("softcap") or 0.0,
    )
    return output.unsqueeze(0), None


def scale_of(query: torch.Tensor, arguments: Mapping[str, Any]) -> float:
    scale = arguments.get("scaling")
    return float(query.shape[-1] ** -0.5 if scale is None else scale)


def unknown(arguments: Mapping[str, Any]) -> list[str]:
    """The names of what a decoder asks of its attention that `attend` can't do."""
    known = NEUTRAL | {"scaling", "sliding_window", "softcap"}
    return sorted(
        name for name, value in arguments.items() if name not in known and value is not None
    )


def no_mask(*_arguments: Any, **_options: Any) -> None:
    """There is nothing to mask: no token is compared with what it may not see."""


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, no_mask)
