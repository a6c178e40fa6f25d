"""What a loaded model needs and says of itself, in the words that every engine plans with."""

from collections.abc import Iterable, Iterator
from typing import Any

from serve_daemon.config.free_memory import free_host_bytes
from serve_daemon.config.kv_cache import Geometry

# Where bitsandbytes keeps what unpacks a weight: in the weight, and in classes of its own.
PARTS = ("quant_state", "CB", "SCB")
STATES = ("QuantState", "MatmulLtState")


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
    """Memory of the weights as they are held: packed, with all that it takes to unpack them."""
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for module in model.modules()
        for tensor in _tensors(_held_by(module))
    }
    return sum(storages.values())


def _held_by(module: Any) -> Iterator[Any]:
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)
    yield getattr(module, "state", None)  # of bitsandbytes' layers
    yield getattr(module, "meta", None)  # of HQQ's


def _tensors(values: Iterable[Any]) -> Iterator[Any]:
    """All plain tensors in `values`: quantized ones are made of several."""
    import torch

    for value in values:
        if isinstance(value, torch.Tensor):
            names, _ = getattr(value, "__tensor_flatten__", lambda: ((), None))()
            yield from _tensors(getattr(value, name) for name in names)
            yield from _tensors(getattr(value, name, None) for name in PARTS)
            if not names:
                yield value
        elif isinstance(value, dict):
            yield from _tensors(value.values())
        elif type(value).__name__ in STATES:
            yield from _tensors(vars(value).values())


def available_bytes(device: str) -> int:
    """Memory that `device` has free now, of what this process may have."""
    if device == "cpu":
        return free_host_bytes() or 0
    import torch

    return torch.cuda.mem_get_info(torch.device(device))[0]
