"""What is told of a model before it is served, by its headers and by the Hub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.checkpoints import SHAPES, write_checkpoint, write_gguf
from engine.architectures import ARCHITECTURES
from fakes.hub import FakeHub
from serve_daemon.cli.probing import GGML_TYPES, Unfit, probe
from serve_daemon.config.drivable import GGUF_ARCHITECTURES, MODEL_TYPES
from serve_daemon.config.sources import SourceError

LLAMA = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.context_length": 2048,
}


@pytest.fixture
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub on loopback, and an empty cache."""
    from huggingface_hub import close_session, constants

    hub = FakeHub()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with hub.running():
        yield hub
        close_session()  # its connections are to nobody from now on


def test_compiled_is_chosen_for_what_it_is_tested_with() -> None:
    """And for nothing else."""
    assert set(ARCHITECTURES) == MODEL_TYPES
    assert {each.removesuffix("_text") for each in MODEL_TYPES} - {"mistral"} == GGUF_ARCHITECTURES


def test_types_are_named_as_the_library_names_them() -> None:
    """Those of most files, by their numbers."""
    gguf = pytest.importorskip("gguf")
    names = {each.value: each.name for each in gguf.GGMLQuantizationType}
    assert {number: names[number] for number in GGML_TYPES} == GGML_TYPES


@pytest.mark.parametrize(
    ("changes", "architecture", "engine"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, "LlamaForCausalLM (llama)", "compiled"),
        ({"model_type": "mamba"}, "mamba", "continuous"),
        ({"model_type": "bert"}, "bert", "embedding"),
    ],
)
def test_a_folder(tmp_path: Path, changes: dict[str, Any], architecture: str, engine: str) -> None:
    """Of safetensors: size and parameters are those of its tensors."""
    folder = write_checkpoint(tmp_path / "m", **changes)
    found = probe(str(folder), "")
    assert (found.architecture, found.engine) == (architecture, engine)
    assert found.format == "safetensors, bfloat16"
    parameters = 300 * 64 * 2 + 64 * 64 + 64
    assert (found.parameters, found.weight_bytes) == (parameters, 2 * parameters)
    assert (found.context, found.download_bytes, found.notes) == (1024, 0, ())


def test_what_needs_code_of_its_own_says_so(tmp_path: Path) -> None:
    """It does not run unless somebody allows it."""
    folder = write_checkpoint(tmp_path / "m", auto_map={"AutoModelForCausalLM": "m.M"})
    (note,) = probe(str(folder), "").notes
    assert "trust_remote_code" in note


def test_a_gguf_file(tmp_path: Path) -> None:
    """The type is that of most of its weights."""
    file = write_gguf(tmp_path / "m.gguf", LLAMA, SHAPES, kind=3)
    found = probe(str(file), "")
    assert (found.architecture, found.format, found.engine) == ("llama", "GGUF, Q4_1", "compiled")
    assert (found.context, found.weight_bytes) == (2048, file.stat().st_size)


def test_what_no_engine_serves_is_refused(tmp_path: Path) -> None:
    """Before anybody waits for it."""
    bert = LLAMA | {"general.architecture": "bert"}
    bert |= {name.replace("llama", "bert"): value for name, value in LLAMA.items() if "." in name}
    bert["general.architecture"] = "bert"
    file = write_gguf(tmp_path / "m.gguf", bert, SHAPES)
    with pytest.raises(Unfit, match="embedding model in a GGUF file"):
        probe(str(file), "")
    folder = write_checkpoint(tmp_path / "t5", is_encoder_decoder=True)
    with pytest.raises(Unfit, match="an encoder and a decoder"):
        probe(str(folder), "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unfit, match=r"config.json: is missing"):
        probe(str(tmp_path / "empty"), "")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    with pytest.raises(Unfit, match="can't be read"):
        probe(str(tmp_path / "broken.gguf"), "")
    with pytest.raises(Unfit, match="no installed package"):
        probe("python:nobody_has_this/x", "")
    with pytest.raises(SourceError, match="does not exist"):
        probe("nothing", "")


def test_a_repository_of_the_hub(fake_hub: FakeHub, tmp_path: Path) -> None:
    """No weights are downloaded, and nothing comes into the cache."""
    folder = write_checkpoint(tmp_path / "m", architectures=["LlamaForCausalLM"])
    files = {each.name: each.read_bytes() for each in folder.iterdir()}
    fake_hub.repositories["org/name"] = files | {"README.md": b"long"}
    fake_hub.claimed_bytes["model.safetensors"] = 5_000_000
    found = probe("org/name", "")
    assert (found.architecture, found.engine) == ("LlamaForCausalLM (llama)", "compiled")
    assert found.weight_bytes == 5_000_000
    assert found.download_bytes == 5_000_000 + len(files["config.json"])
    assert fake_hub.served == ["config.json"]
    assert not (tmp_path / "hub").exists()


def test_a_file_of_the_hub(fake_hub: FakeHub) -> None:
    """The one that an engine would choose; or which there are."""
    fake_hub.repositories["org/two"] = {"a-Q4_K_M.gguf": b"a" * 10, "a-Q8_0.gguf": b"b" * 20}
    assert probe("org/two", "").download_bytes == 10
    assert probe("org/two:a-Q8_0.gguf", "").weight_bytes == 20
    with pytest.raises(Unfit, match=r"a-Q4_K_M.gguf, a-Q8_0.gguf"):
        probe("org/two:c.gguf", "")
    assert fake_hub.served == []


def test_a_hub_that_can_not_be_asked(fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says so, and how to do without."""
    from huggingface_hub import constants

    with pytest.raises(Unfit, match="HF_TOKEN"):
        probe("org/none", "")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(Unfit, match="--no-probe"):
        probe("org/none", "")
