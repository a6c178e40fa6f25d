"""Linear layers over the same input are one call in the graph, and every bit stays as it was."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.architectures import ARCHITECTURES, COMMON
from engine.block_weights import packed_weight
from serve_daemon.engine.compiled import caches, package, siblings
from serve_daemon.engine.compiled.layers import layers_of
from serve_daemon.engine.compiled.step import Step
from serve_daemon.engine.kernels.block_layers import BlockLinear
from serve_daemon.engine.kernels.blocks import Layout
from serve_daemon.engine.kernels.linear import PackedLinear

pytestmark = pytest.mark.model

LAYERS = 2
ATTENTION_AND_MLP = 2 * LAYERS  # q, k and v; gate and up


def block_linear(linear: Any) -> BlockLinear:
    """One of the same sizes, with another weight, in 4 or in 8 bits."""
    outputs, inputs = linear.out_features, linear.in_features
    layout = Layout.Q4_1 if outputs > inputs else Layout.Q8_0
    return BlockLinear(packed_weight(layout, outputs, inputs), linear.bias, layout, inputs, outputs)


def exported(model_type: str, pack: Callable[[Any], Any]) -> Any:
    """The graph of the step of a tiny model, whose linear layers `pack` has replaced."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {**COMMON, **ARCHITECTURES[model_type], "num_hidden_layers": LAYERS}
    if "layer_types" in settings:
        settings["layer_types"] = settings["layer_types"][:LAYERS]
    torch.manual_seed(1)
    config = AutoConfig.for_model(model_type, **settings)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, torch.nn.Linear):
                setattr(parent, name, pack(child))
    layers, step = layers_of(model.requires_grad_(False)), Step(model)
    caches.attach(caches.make(layers, 4, 8, torch.empty(0, dtype=torch.bfloat16)), step)
    return torch.export.export(
        step, package.example(model.device), dynamic_shapes=package._shapes(), strict=False
    )


def logits(program: Any) -> Any:
    import torch

    places = torch.tensor([[5, 6, 7, 8, 9], [0, 0, 1, 3, -1], [0, 1, 0, 0, 0], [1, 2, 3, 0, 4]])
    with torch.inference_mode():
        return program.module()(*places)


def targets(program: Any) -> list[str]:
    return [str(node.target) for node in program.graph.nodes]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("pack", "kind"), [(PackedLinear, "bf16"), (block_linear, "block")])
@pytest.mark.parametrize("model_type", ["llama", "qwen2", "gemma3_text"])
def test_siblings_are_merged_and_no_bit_changes(
    model_type: str, pack: Callable[[Any], Any], kind: str
) -> None:
    """Plain ones, those with biases, and those with norms behind them."""
    import torch

    program = exported(model_type, pack)
    before = logits(program)
    single, several = f"serve_daemon.{kind}_linear.default", f"serve_daemon.{kind}_linears.default"
    assert targets(program).count(single) == 7 * LAYERS + 1
    assert siblings.merge(program) == ATTENTION_AND_MLP
    program.validate()
    found = targets(program)
    # What is left: the attention's and the MLP's outputs, and the head.
    assert (found.count(single), found.count(several)) == (2 * LAYERS + 1, ATTENTION_AND_MLP)
    assert torch.equal(before, logits(program))
    assert before.isfinite().all()


def test_what_is_no_sibling_stays_alone() -> None:
    """Another input, another operator, or a weight that must be computed first."""
    import torch

    from serve_daemon.engine.kernels import operators, reference

    class Apart(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weight = reference.pack_bf16_weight(torch.randn(32, 32, dtype=torch.bfloat16))
            self.register_buffer("weight", weight)

        def forward(self, first: torch.Tensor, second: torch.Tensor) -> list[torch.Tensor]:
            one = operators.bf16_linear(first, self.weight, None, 32)
            two = operators.bf16_linear(second, self.weight, None, 32)
            scaled = self.weight * one.sum()
            return [two, operators.bf16_linear(first, scaled, None, 32)]

    rows = torch.randn(2, 32, dtype=torch.bfloat16)
    program = torch.export.export(Apart(), (rows, rows + 1), strict=False)
    assert siblings.merge(program) == 0
    assert targets(program).count("serve_daemon.bf16_linear.default") == 3
