"""Tiny random checkpoints of every architecture that the engines are tested with."""

from pathlib import Path
from typing import Any

from engine.models import TINY_LLAMA

WINDOW = 32  # tokens that a layer with a sliding window looks back on, itself included

COMMON = {
    name: value
    for name, value in TINY_LLAMA.items()
    if name not in {"architectures", "model_type", "dtype"}
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "mistral": {"sliding_window": WINDOW},
    "gemma3_text": {
        "sliding_window": WINDOW,
        "num_hidden_layers": 3,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "query_pre_attn_scalar": 16,
        "tie_word_embeddings": True,
    },
    "smollm3": {"num_hidden_layers": 4, "no_rope_layers": [1, 1, 0, 1], "pad_token_id": 0},
}


def write_checkpoint(folder: Path, model_type: str) -> Path:
    """A whole checkpoint of this architecture, in float32."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(model_type, **{**COMMON, **ARCHITECTURES[model_type]})
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for weights in model.parameters():
            # Norms and biases start as ones and zeros, which would hide whether they are used.
            if weights.dim() == 1:
                weights.add_(torch.randn_like(weights) * 0.1)
        if config.tie_word_embeddings:
            # What goes in would outweigh all layers, and come out again for ever.
            model.get_input_embeddings().weight.mul_(0.02)
    model.save_pretrained(folder)
    return folder
