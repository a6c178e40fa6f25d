"""What a loaded model needs and says of itself, in the words that every engine plans with."""

from typing import Any

from msgspec import Struct


class Geometry(Struct, frozen=True):
    """What a model needs for each token."""

    layers: int
    key_value_heads: int
    head_size: int
    bytes_per_value: int
    max_positions: int

    @property
    def bytes_per_token(self) -> int:
        return 2 * self.layers * self.key_value_heads * self.head_size * self.bytes_per_value


def geometry_of(model: Any) -> Geometry:
    """Of a Transformers decoder; the text part of one that has several."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    return Geometry(
        layers=config.num_hidden_layers,
        key_value_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_size=getattr(config, "head_dim", None) or config.hidden_size // heads,
        bytes_per_value=model.dtype.itemsize,
        max_positions=config.max_position_embeddings,
    )


def eos_tokens(model: Any) -> list[int]:
    for config in (model.generation_config, model.config):
        eos = getattr(config, "eos_token_id", None)
        if eos is not None:
            return [eos] if isinstance(eos, int) else list(eos)
    return []


def weights_bytes(model: Any) -> int:
    """Parameters and buffers: what is quantized has its weights in either."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def available_bytes(device: str) -> int:
    """Memory that is free on `device` now."""
    if device == "cpu":
        import psutil

        return int(psutil.virtual_memory().available)
    import torch

    return torch.cuda.mem_get_info(torch.device(device))[0]
