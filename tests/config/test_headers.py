"""What the headers of checkpoints tell, read from files of a few bytes."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.checkpoints import CONFIG, SHAPES, write_checkpoint, write_gguf, write_safetensors
from serve_daemon.config import gguf_header
from serve_daemon.config.architecture import Architecture, architecture_of, of_config
from serve_daemon.config.gguf_header import GgufTensor, Length
from serve_daemon.config.tensors import Tensor, tensors_of

LLAMA = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.feed_forward_length": 128,
    "llama.context_length": 1024,
}
SIZES = Architecture(
    layers=2,
    hidden_size=64,
    heads=4,
    key_value_heads=2,
    head_size=16,
    intermediate_size=128,
    vocabulary=300,
    max_positions=1024,
    dtype="bfloat16",
    is_tied=False,
)

# ------------------------------------------------ safetensors


def test_one_file(tmp_path: Path) -> None:
    """Names, shapes, types and bytes; what the file says of itself is no tensor."""
    tensors = tensors_of(write_checkpoint(tmp_path))
    assert [tensor.name for tensor in tensors] == list(SHAPES)
    assert tensors[0] == Tensor("model.embed_tokens.weight", (300, 64), "BF16", 300 * 64 * 2)
    assert tensors[2].values == 64


def test_an_index_names_the_files(tmp_path: Path) -> None:
    """What lies beside them, as the weights of an adapter, isn't read."""
    write_safetensors(tmp_path / "a.safetensors", {"one": (2,)})
    write_safetensors(tmp_path / "b.safetensors", {"two": (3,)})
    write_safetensors(tmp_path / "adapter.safetensors", {"three": (4,)})
    weight_map = {"weight_map": {"one": "a.safetensors", "two": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(weight_map))
    assert [tensor.name for tensor in tensors_of(tmp_path)] == ["one", "two"]


@pytest.mark.parametrize("content", [b"\xff" * 16, b"\x10\0\0\0\0\0\0\0not json", b""])
def test_a_file_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    """Before much of it is read."""
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"safetensors|Expecting"):
        tensors_of(tmp_path)


# ------------------------------------------------ GGUF


def test_a_gguf_header(tmp_path: Path) -> None:
    """Every type of value; of long arrays the length. Shapes begin with the outermost dimension."""
    metadata: dict[str, Any] = {
        "text": "é",
        "yes": True,
        "number": 0.5,
        "few": [1, 2],
        "words": [f"token {number}" for number in range(2000)],
        "many": list(range(2000)),
        "after": 7,
    }
    file = write_gguf(tmp_path / "a.gguf", metadata, {"output.weight": (300, 64), "norm": (64,)})
    header = gguf_header.read(file)
    long = {"words": Length(2000), "many": Length(2000)}
    assert header.metadata == metadata | long
    values = -(-file.stat().st_size // 32) * 32  # where they would begin
    assert header.tensors == [
        GgufTensor("output.weight", (300, 64), 2, values),
        GgufTensor("norm", (64,), 2, values),
    ]
    kept = 320 * 64 // 32 * 18  # rows are filled up to a multiple of 32
    assert tensors_of(file)[0] == Tensor("output.weight", (300, 64), "F32", 300 * 64 * 4, kept)


def test_where_each_entry_is(tmp_path: Path) -> None:
    """So that a part of a header can be copied."""
    file = write_gguf(tmp_path / "a.gguf", {"text": "hello", "number": 7}, {"norm": (64,)})
    header, content = gguf_header.read(file), file.read_bytes()
    entry = header.entries["text"]
    assert content[entry.begin : entry.end].endswith(b"hello")
    assert header.entries["number"].begin == entry.end
    assert (header.entries["number"].end, len(content)) == (header.table.begin, header.table.end)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    """By its time and size."""
    file = tmp_path / "a.gguf"
    first = gguf_header.read(write_gguf(file, {"a": 1}, {}))
    second = gguf_header.read(write_gguf(file, {"a": 2, "b": 3}, {}))
    assert (first.metadata, second.metadata) == ({"a": 1}, {"a": 2, "b": 3})


@pytest.mark.parametrize("cut", [3, 10, 30, 60])
def test_half_a_header_is_told(tmp_path: Path, cut: int) -> None:
    """As of a download that was cut off."""
    file = write_gguf(tmp_path / "a.gguf", {"some.key": "value"}, {"weight": (2, 3)})
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"no GGUF file|ends within its header"):
        gguf_header.read(file)


def test_an_unknown_version_is_told(tmp_path: Path) -> None:
    """The first one wrote lengths in another way."""
    with pytest.raises(ValueError, match="of a version that is known"):
        gguf_header.read(write_gguf(tmp_path / "a.gguf", {}, {}, version=1))


# ------------------------------------------------ sizes


def test_the_sizes_in_a_config(tmp_path: Path) -> None:
    """With the size of a head, which follows."""
    assert architecture_of(write_checkpoint(tmp_path)) == SIZES


def test_the_sizes_in_a_gguf_file(tmp_path: Path) -> None:
    """Its vocabulary is its list of tokens; where layers differ, the largest counts."""
    tokens = {"tokenizer.ggml.tokens": [str(number) for number in range(2000)]}
    file = write_gguf(tmp_path / "a.gguf", LLAMA | tokens, {})
    sizes = architecture_of(file)
    assert (sizes.layers, sizes.head_size, sizes.vocabulary, sizes.dtype) == (2, 16, 2000, "")
    lists = {"llama.attention.head_count_kv": [1, 4]}
    assert architecture_of(write_gguf(tmp_path / "b.gguf", LLAMA | lists, {})).key_value_heads == 4


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ({"text_config": CONFIG, "vision_config": {"hidden_size": 7}}, {}),
        ({**CONFIG, "dtype": None, "torch_dtype": "float16"}, {"dtype": "float16"}),
        ({**CONFIG, "head_dim": 32}, {"head_size": 32}),
        ({**CONFIG, "num_key_value_heads": None}, {"key_value_heads": 4}),
        (
            {"n_layer": 3, "n_embd": 64, "n_head": 4, "n_positions": 9, "vocab_size": 5},
            {
                "layers": 3,
                "key_value_heads": 4,
                "intermediate_size": 0,
                "vocabulary": 5,
                "max_positions": 9,
                "dtype": "",
                "is_tied": None,
            },
        ),
    ],
)
def test_configs_differ(config: dict[str, Any], changes: dict[str, Any]) -> None:
    """Several models in one, older names, what is left out."""
    expected = {name: getattr(SIZES, name) for name in Architecture.__struct_fields__} | changes
    assert of_config(config) == Architecture(**expected)


def test_a_config_without_sizes_is_told() -> None:
    """It is of something else."""
    with pytest.raises(ValueError, match="layers"):
        of_config({"model_type": "something"})
