"""The weights of GGUF files stay in their blocks, and are what Transformers makes of the file."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from gguf import GGMLQuantizationType as Type

from engine.gguf_files import ARCHITECTURES, write_gguf_in_blocks
from engine.models import VOCABULARY, write_gguf
from serve_daemon.config import gguf_header
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.gguf import folder, model, packed_file, source, tokenizer
from serve_daemon.engine.kernels import blocks
from serve_daemon.wire.messages import EngineSpec

pytestmark = pytest.mark.model

SPEC = EngineSpec(model="m", source="m.gguf", gguf="keep")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def gguf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("gguf")
    return write_gguf_in_blocks(directory / f"{request.param}.gguf", request.param)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the place of a tokenizer's files."""
    directory = tmp_path_factory.mktemp("words")
    (directory / "tokenizer.json").write_text("{}")
    return directory


def packed(gguf: Path, words: Path, cache: Path, dtype: str = "float32") -> Path:
    target = folder.destination(gguf, cache, dtype)
    folder.make(gguf, target, dtype, lambda: words)
    return target


def unpacked(gguf: Path) -> Any:
    """The model as Transformers loads it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32
    ).eval()


@pytest.fixture(scope="module")
def directory(gguf: Path, words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `gguf` is packed into, to compute in float32."""
    return packed(gguf, words, tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def expected(gguf: Path) -> Any:
    return unpacked(gguf)


def stored_values(directory: Path) -> dict[str, torch.Tensor]:
    """All parameters in `directory`, de-quantized."""
    described = folder.described(directory)
    tensors = packed_file.read(directory / packed_file.NAME)
    values = {
        f"{name}.weight": blocks.unpack(
            tensors[block.tensor], block.layout, block.rows, block.columns
        )
        for name, block in described.blocks.items()
    }
    in_blocks = {block.tensor for block in described.blocks.values()}
    values |= {name: each for name, each in tensors.items() if name not in in_blocks}
    return values | {name: values[first] for name, first in described.ties.items()}


def test_all_weights_are_those_of_transformers(directory: Path, expected: Any) -> None:
    """To the last bit: each is in its place, and its rows are in order."""
    values = stored_values(directory)
    wanted = expected.state_dict()
    assert values.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(values[name], wanted[name])] == []
    kept = model.load(directory, {})
    buffers = dict(kept.named_buffers())
    assert all(torch.equal(each, buffers[name]) for name, each in expected.named_buffers())
    assert kept.generation_config.to_dict() == expected.generation_config.to_dict()
    assert kept.lm_head.packed_weight.data_ptr() == (
        kept.model.embed_tokens.packed_weight.data_ptr()
    )


def test_it_computes_nearly_what_the_unpacked_one_does(
    gguf: Path, words: Path, directory: Path, expected: Any, tmp_path: Path
) -> None:
    """But for activations in 8 bits; in the type that was asked for, with logits in float32.

    Random weights make more of a difference than a real model's. Rows in another order would make
    one as large as the logits.
    """
    ids = torch.tensor([[5, 17, 200, 3, 99, 4, 250]])
    with torch.inference_mode():
        wanted = expected(ids).logits
        got = model.load(directory, {}).eval()(ids).logits
        narrow = model.load(packed(gguf, words, tmp_path, "bfloat16"), {}).eval()
        rounded = narrow(ids).logits
    assert (got - wanted).std() < 0.25 * wanted.std()
    assert (narrow.dtype, rounded.dtype) == (torch.bfloat16, torch.float32)
    assert (rounded - wanted).std() < 0.25 * wanted.std()


def test_a_weight_that_no_operator_reads_is_unpacked_alone(words: Path, tmp_path: Path) -> None:
    """With the embedding that is tied to the output layer, as with any other."""
    types = {"token_embd": Type.TQ2_0, "blk.0.ffn_up": Type.F16}
    file = write_gguf_in_blocks(tmp_path / "a.gguf", "llama", types)
    directory = packed(file, words, tmp_path)
    assert len(folder.described(directory).blocks) == 6
    values, wanted = stored_values(directory), unpacked(file).state_dict()
    assert [name for name in wanted if not torch.equal(values[name], wanted[name])] == []
    kept = model.load(directory, {})
    assert kept.lm_head.weight is kept.model.embed_tokens.weight


def test_packed_tensors_lie_where_loads_are_fast(directory: Path) -> None:
    """Each begins at a line of the processor's caches."""
    tensors = packed_file.read(directory / packed_file.NAME)
    packed_ones = [each for each in tensors.values() if each.dtype is torch.uint8]
    assert len(packed_ones) == 8
    assert {each.data_ptr() % packed_file.ALIGNMENT for each in packed_ones} == {0}


def test_the_tokenizer_is_the_one_of_transformers(tmp_path: Path) -> None:
    """Though the file is not read by its slow reader."""
    from transformers import AutoTokenizer

    file = write_gguf_in_blocks(tmp_path / "a.gguf", "llama")
    wanted, got = tmp_path / "wanted", tokenizer.ready(file, tmp_path)
    AutoTokenizer.from_pretrained(str(tmp_path), gguf_file=file.name).save_pretrained(wanted)
    names = sorted(each.name for each in wanted.iterdir())
    assert sorted(each.name for each in got.iterdir()) == names
    assert [(got / name).read_bytes() for name in names] == [
        (wanted / name).read_bytes() for name in names
    ]


def test_the_config_is_the_one_of_transformers(gguf: Path, directory: Path) -> None:
    """Also the size of the vocabulary, which only the tokens tell."""
    from transformers import AutoConfig

    wanted = AutoConfig.from_pretrained(str(gguf.parent), gguf_file=gguf.name).to_dict()
    got = AutoConfig.from_pretrained(directory).to_dict()
    different = {name for name in wanted if wanted[name] != got[name]}
    assert different <= {"dtype", "_name_or_path", "architectures"}
    assert (got["vocab_size"], got["dtype"]) == (VOCABULARY, "float32")


@pytest.mark.parametrize(
    ("changes", "device", "dtype", "message"),
    [
        ({"quantization": "bnb-8bit"}, "cpu", "bfloat16", "remove one of the two"),
        ({}, "cuda:0", "bfloat16", "is for a CPU"),
        ({}, "cpu", "float16", "choose one of these as dtype"),
    ],
)
def test_what_can_not_be_kept_is_refused(
    changes: dict[str, str], device: str, dtype: str, message: str, tmp_path: Path
) -> None:
    """Where it has to be; where it is left open it is unpacked."""
    file = source.Gguf(tmp_path / "m.gguf", tmp_path, device, dtype)
    spec = msgspec.structs.replace(SPEC, **changes)
    with pytest.raises(EngineError, match=message):
        source.is_to_be_kept(file, spec)
    assert not source.is_to_be_kept(file, msgspec.structs.replace(spec, gguf="auto"))


def test_a_file_without_blocks_is_not_packed(tmp_path: Path) -> None:
    """There is nothing to keep."""
    plain = source.Gguf(write_gguf(tmp_path / "m.gguf"), tmp_path, "cpu", "bfloat16")
    assert not source.is_to_be_kept(plain, SPEC)
    in_blocks = write_gguf_in_blocks(tmp_path / "b.gguf", "llama")
    assert source.is_to_be_kept(msgspec.structs.replace(plain, file=in_blocks), SPEC)
    assert gguf_header.read(in_blocks).tensors[0].type == Type.Q8_0
