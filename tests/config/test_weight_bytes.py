"""How much memory weights take, by type and by quantization."""

import msgspec
import pytest

from serve_daemon.config.architecture import of_config
from serve_daemon.config.tensors import Tensor
from serve_daemon.config.weight_bytes import Holding, dummy_tensors, held_bytes, is_linear

PLAIN = Holding(
    bytes_per_value=2, quantization="none", stored="", on_cpu=True, is_packed=False, is_tied=False
)
EMBEDDING = Tensor("model.embed_tokens.weight", (100, 64), "BF16", 12800)
LINEAR = Tensor("model.layers.0.mlp.up_proj.weight", (128, 64), "BF16", 16384)
NORM = Tensor("model.norm.weight", (64,), "BF16", 128)
OUTPUT = Tensor("lm_head.weight", (100, 64), "BF16", 12800)
ALL = [EMBEDDING, LINEAR, NORM, OUTPUT]
VALUES = 6400 + 8192 + 64 + 6400


def held(tensors: list[Tensor] | None = None, **changes: object) -> int:
    return held_bytes(
        ALL if tensors is None else tensors, msgspec.structs.replace(PLAIN, **changes)
    )


@pytest.mark.parametrize("bytes_per_value", [2, 4])
def test_plain_weights(bytes_per_value: int) -> None:
    """In the type that is computed in, whatever that of the file is."""
    assert held(bytes_per_value=bytes_per_value) == VALUES * bytes_per_value


def test_tied_weights_are_there_once() -> None:
    """Also where the file has them twice; a file without an output layer has tied ones."""
    assert held(is_tied=True) == held([EMBEDDING, LINEAR, NORM], is_tied=None)
    assert held(is_tied=True) == (VALUES - 6400) * 2


def test_packed_weights_are_tied_no_more() -> None:
    """The output layer has its own copy, in another order than the embedding."""
    assert held(is_tied=True, is_packed=True) == held(is_packed=True) == VALUES * 2


def test_what_stays_in_blocks() -> None:
    """The output layer shares the embedding's; what is in none is unpacked."""
    blocks = [msgspec.structs.replace(each, kept_bytes=100) for each in (EMBEDDING, LINEAR)]
    tensors = [*blocks, NORM]
    assert held(tensors, is_kept=True, is_packed=True) == 200 + 64 * 2
    assert held(tensors) == (6400 + 8192 + 64) * 2
    others = [EMBEDDING, blocks[1], NORM]
    assert held(others, is_kept=True, is_packed=True) == 2 * 6400 * 2 + 100 + 64 * 2


def test_only_linear_layers_are_quantized() -> None:
    """Not the embedding, the output layer and norms. 8 bits, with a scale for each row."""
    others = 2 * (VALUES - 8192)
    assert held(quantization="bnb-8bit") == others + 8192 + 128 * 4
    assert held(quantization="bnb-4bit") == others + 8192 // 2 + 8192 // 64 * 2


@pytest.mark.parametrize(
    ("name", "linear"),
    [
        ("model.layers.0.self_attn.q_proj.weight", True),
        ("blk.0.attn_output.weight", True),
        ("transformer.h.0.mlp.c_fc.weight", True),
        ("model.embed_tokens.weight", False),
        ("token_embd.weight", False),
        ("transformer.wte.weight", False),
        ("output.weight", False),
        ("lm_head.weight", False),
        ("model.layers.0.mlp.experts.3.w1.weight", False),
    ],
)
def test_what_is_a_linear_layer(name: str, *, linear: bool) -> None:
    """By the names of all formats."""
    assert is_linear(Tensor(name, (4, 4), "BF16", 32)) is linear


def test_quantized_checkpoints_stay_as_they_are() -> None:
    """What the file holds is what is held, scales included."""
    packed = [Tensor("a.weight", (2048, 1), "U8", 2048), Tensor("a.absmax", (64,), "F32", 256)]
    assert held([*packed, NORM], stored="bitsandbytes") == 2048 + 256 + 128


def test_what_a_cpu_can_not_compute_in_is_unpacked() -> None:
    """A GPU keeps it."""
    stored = [Tensor("a.weight", (64, 64), "F8_E4M3", 4096), NORM]
    assert held(stored, stored="fp8", on_cpu=False) == 4096 + 128
    assert held(stored, stored="fp8") == 2 * 4096 + 128


def test_what_dummy_weights_are_made_of() -> None:
    """The layers of a Llama, by the sizes in its config."""
    config = {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "vocab_size": 100,
        "tie_word_embeddings": True,
    }
    layer = 64 * 64 * 2 + 32 * 64 * 2 + 3 * 128 * 64
    tensors = dummy_tensors(of_config(config))
    assert sum(tensor.values for tensor in tensors) == 2 * layer + 6400
    untied = dummy_tensors(of_config(config | {"tie_word_embeddings": False}))
    assert sum(tensor.values for tensor in untied) == 2 * layer + 2 * 6400
