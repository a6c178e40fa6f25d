"""Models with random weights: what a benchmark makes of a shape's name."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from shapes import SHAPES, prompt_of, write


@pytest.mark.parametrize(("name", "billions"), [("1B", 1.236), ("8B", 8.03)])
def test_the_shapes_have_the_parameters_that_their_names_say(name: str, billions: float) -> None:
    """As the published Llamas of these sizes."""
    shape = SHAPES[name]
    hidden, queries = shape["hidden_size"], shape["num_attention_heads"] * shape["head_dim"]
    keys = shape["num_key_value_heads"] * shape["head_dim"]
    layer = 2 * hidden * (queries + keys) + 3 * hidden * shape["intermediate_size"]
    embeddings = shape["vocab_size"] * hidden * (1 if shape["tie_word_embeddings"] else 2)
    found = shape["num_hidden_layers"] * layer + embeddings
    assert found / 1e9 == pytest.approx(billions, rel=0.01)


def test_every_token_is_text(tmp_path: Path) -> None:
    """Else a server would send nothing for some, and its tokens could not be timed."""
    write("tiny", tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert tokenizer.get_vocab_size() == SHAPES["tiny"]["vocab_size"]
    assert tokenizer.decode([500], skip_special_tokens=True)
    assert len(tokenizer.encode(prompt_of(100)).ids) == 100


def test_a_config_is_what_a_dummy_model_is_built_from(tmp_path: Path) -> None:
    """With the type that the weights would have."""
    config = json.loads((write("8B", tmp_path) / "config.json").read_text())
    assert config["num_hidden_layers"] == 32
    assert config["dtype"] == "bfloat16"
