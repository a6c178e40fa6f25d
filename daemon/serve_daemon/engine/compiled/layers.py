"""What the attention layers of a decoder look like, found by watching it compute two tokens.

No table of architectures is kept: a decoder whose every layer calls the attention function in a way
that slots can follow is driven; any other is refused, and the refusal names what it asks for.
"""

from typing import Any

import torch
from msgspec import Struct
from transformers import AttentionInterface, AttentionMaskInterface

from serve_daemon.engine.compiled import attention
from serve_daemon.engine.compiled.caches import Layer
from serve_daemon.engine.compiled.step import Step
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

WATCHING = "slots_watched"
INSTEAD = 'use engine = "continuous" for it'


class _Seen(Struct, frozen=True):
    """How an attention layer was called."""

    name: str  # of its module in a step
    heads: int
    size: int
    value_size: int
    unknown: list[str]  # what it asks for beyond what slots can do


def layers_of(model: Any) -> list[Layer]:
    """The attention layers of `model`, in their order, whose attention is then `attention.attend`.

    Raises `EngineError` for a model that slots can't drive.
    """
    kind = type(model).__name__
    if not getattr(model, "_supports_attention_backend", False):
        raise _refusal(kind, "its code has an attention of its own")
    layers = _watch(model)
    expected = model.config.get_text_config().num_hidden_layers
    if len(layers) != expected:
        message = f"{expected - len(layers)} of its {expected} layers are no attention layers"
        raise _refusal(kind, message)
    for layer in layers:
        if layer.unknown:
            raise _refusal(kind, f"its attention asks for {', '.join(layer.unknown)}")
        if layer.size != layer.value_size:
            raise _refusal(
                kind, f"its keys have {layer.size} values, its values {layer.value_size}"
            )
    model.set_attn_implementation(attention.NAME)
    return [Layer(layer.name, layer.heads, layer.size) for layer in layers]


def _watch(model: Any) -> list[_Seen]:
    names = {module: name for name, module in Step(model).named_modules()}
    found: dict[torch.nn.Module, _Seen] = {}

    def watch(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        _attention_mask: torch.Tensor | None,
        **arguments: Any,
    ) -> tuple[torch.Tensor, None]:
        unknown = attention.unknown(arguments)
        sizes = key.shape[1], key.shape[-1], value.shape[-1]
        found[module] = _Seen(names[module], *sizes, unknown)
        output = query.new_zeros(1, query.shape[2], query.shape[1], value.shape[-1])
        return output, None

    AttentionInterface.register(WATCHING, watch)
    AttentionMaskInterface.register(WATCHING, attention.no_mask)
    model.set_attn_implementation(WATCHING)
    two = torch.arange(2, device=model.device)
    with torch.inference_mode():
        model(input_ids=two[None], position_ids=two[None], use_cache=False)
    return list(found.values())


def _refusal(kind: str, reason: str) -> EngineError:
    return EngineError(Reason.CONFIG, f"engine 'compiled' can't drive {kind}: {reason}; {INSTEAD}")
