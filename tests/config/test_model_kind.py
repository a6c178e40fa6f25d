"""What a checkpoint is for: to generate, or to make vectors."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.checkpoints import write_checkpoint
from config.loading import problems_of
from serve_daemon.config.load import Sources
from serve_daemon.config.model_kind import longest_text, problem_of


def write(folder: Path, **files: Any) -> Path:
    """A folder with these JSON files; a name's double underscores stand for slashes."""
    for name, content in files.items():
        file = folder / f"{name.replace('__', '/')}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    return folder


ENCODERS = [
    {"config": {"model_type": "bert"}},
    {"config": {"model_type": "qwen3"}, "modules": []},
    {"config": {"model_type": "llama"}, "1_Pooling__config": {}},
]
DECODERS = [
    {"config": {"model_type": "qwen3"}},
    {"config": {"model_type": "bert", "is_decoder": True}},
]


@pytest.mark.parametrize("files", ENCODERS)
def test_an_embedding_model_is_for_its_engine(files: dict[str, Any], tmp_path: Path) -> None:
    """A generating engine is told which one to set."""
    folder = write(tmp_path, **files)
    assert problem_of("embedding", folder) == ""
    for engine in ("continuous", "compiled"):
        assert 'set engine = "embedding"' in problem_of(engine, folder)


@pytest.mark.parametrize("files", DECODERS)
def test_a_model_that_generates_makes_no_vectors(files: dict[str, Any], tmp_path: Path) -> None:
    """Nor does a .gguf file, which Transformers reads as a model that generates."""
    folder = write(tmp_path, **files)
    assert problem_of("continuous", folder) == ""
    assert "is no embedding model" in problem_of("embedding", folder)
    assert "reads safetensors" in problem_of("embedding", tmp_path / "a.gguf")
    assert problem_of("compiled", tmp_path / "a.gguf") == ""


@pytest.mark.parametrize("engine", ["continuous", "embedding"])
def test_what_is_not_known_is_for_the_engine(engine: str, tmp_path: Path) -> None:
    """It tells what is wrong where it loads it."""
    assert problem_of(engine, None) == ""
    assert problem_of(engine, tmp_path / "nowhere") == ""
    (tmp_path / "config.json").write_text("[]")
    assert problem_of(engine, tmp_path) == ""


def test_a_file_of_the_wrong_kind_of_engine_does_not_check(tmp_path: Path) -> None:
    """At the key that is wrong: the engine, or where none is set the source."""
    bert = write_checkpoint(tmp_path / "bert", model_type="bert")
    llama = write_checkpoint(tmp_path / "llama")
    [problem] = problems_of(Sources(text=f"models.a.source = '{bert}'"))
    assert problem.key == "models.a.source"
    assert problem.message == f'{bert} is an embedding model; set engine = "embedding"'
    [problem] = problems_of(Sources(text=f"[models.a]\nsource = '{llama}'\nengine = 'embedding'"))
    assert problem.key == "models.a.engine"
    assert problem.message.startswith(f"{llama} is no embedding model: it has no modules.json")


BERT = {"model_type": "bert", "max_position_embeddings": 512}
ROBERTA = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}


@pytest.mark.parametrize(
    ("files", "tokens"),
    [
        ({"config": BERT}, 512),
        ({"config": ROBERTA}, 512),
        ({"config": BERT, "sentence_bert_config": {"max_seq_length": 256}}, 256),
        ({"config": BERT, "sentence_bert_config": {"max_seq_length": 8192}}, 512),
        ({"config": BERT, "sentence_roberta_config": {"max_seq_length": 128}}, 128),
        ({"config": BERT, "tokenizer_config": {"model_max_length": 384}}, 384),
        ({"config": BERT, "tokenizer_config": {"model_max_length": 1e30}}, 512),
        ({"config": {"text_config": {"max_position_embeddings": 2048}}}, 2048),
        ({"config": {}}, 0),
    ],
)
def test_the_longest_text(files: dict[str, Any], tokens: int, tmp_path: Path) -> None:
    """What its makers had it take, and no more than it has positions for."""
    assert longest_text(write(tmp_path, **files)) == tokens
