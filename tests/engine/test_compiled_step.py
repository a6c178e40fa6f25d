"""What a step makes of a model's own forward pass."""

import pytest

from engine.architectures import COMMON
from engine.block_weights import packed_weight

pytestmark = pytest.mark.model


def test_logits_of_a_quantized_head_are_not_rounded() -> None:
    """They are summed in float32, and stay so though the model computes in bfloat16."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from serve_daemon.engine.compiled import caches
    from serve_daemon.engine.compiled.layers import layers_of
    from serve_daemon.engine.compiled.package import example
    from serve_daemon.engine.compiled.step import Step
    from serve_daemon.engine.kernels.block_layers import BlockHead
    from serve_daemon.engine.kernels.blocks import Layout

    torch.manual_seed(1)
    config = AutoConfig.for_model("llama", **COMMON)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).requires_grad_(False)
    size = config.vocab_size, config.hidden_size
    model.lm_head = BlockHead(packed_weight(Layout.Q8_0, *size), None, Layout.Q8_0, *size[::-1])
    layers, step = layers_of(model), Step(model)
    caches.attach(caches.make(layers, 2, 8, torch.empty(0, dtype=torch.bfloat16)), step)
    with torch.inference_mode():
        logits = step(*example(model.device))
    rounded = logits.bfloat16().float()
    assert logits.dtype is torch.float32
    assert not torch.equal(logits, rounded)
    torch.testing.assert_close(logits, rounded, rtol=2**-8, atol=0)
