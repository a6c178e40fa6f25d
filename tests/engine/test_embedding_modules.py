"""How the files of sentence-transformers are read, and what of them is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from serve_daemon.engine.embedding.modules import Dense, Module, Normalize, Pooling, modules_of
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

TYPE = "sentence_transformers.models."
POOLING_FLAGS = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


def write(folder: Path, *modules: tuple[str, dict[str, Any] | None], path: str = "") -> Path:
    """A modules.json with the model and these, each with its config where it has one."""
    entries = [{"idx": 0, "path": path, "type": f"{TYPE}Transformer"}]
    for number, (kind, config) in enumerate(modules, 1):
        name = f"{number}_{kind}"
        entries.append({"idx": number, "path": name, "type": f"{TYPE}{kind}"})
        if config is not None:
            (folder / name).mkdir()
            (folder / name / "config.json").write_text(json.dumps(config))
    (folder / "modules.json").write_text(json.dumps(entries))
    return folder


def test_the_usual_modules(tmp_path: Path) -> None:
    """Pooling, then length 1; a layer that only matters while one trains is left out."""
    folder = write(tmp_path, ("Pooling", POOLING_FLAGS), ("Dropout", None), ("Normalize", None))
    assert modules_of(folder) == [Pooling(("mean",)), Normalize()]


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}, ("lasttoken",)),
        ({"pooling_mode": "lasttoken"}, ("lasttoken",)),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"pooling_mode": ["mean", "max"]}, ("max", "mean")),
    ],
)
def test_poolings(config: dict[str, Any], modes: tuple[str, ...], tmp_path: Path) -> None:
    """By flags or by name; several are put beside one another in one order."""
    assert modules_of(write(tmp_path, ("Pooling", config))) == [Pooling(modes)]


def test_a_dense_layer(tmp_path: Path) -> None:
    """With its weights, and the function that it applies."""
    config = {"in_features": 4, "activation_function": "torch.nn.modules.activation.Tanh"}
    folder = write(tmp_path, ("Pooling", POOLING_FLAGS), ("Dense", config))
    with pytest.raises(EngineError, match=r"its dense layer has no model\.safetensors"):
        modules_of(folder)
    weights = folder / "2_Dense" / "model.safetensors"
    weights.touch()
    assert modules_of(folder)[1] == Dense(weights, "Tanh")


def test_a_checkpoint_without_modules_gets_the_mean(tmp_path: Path) -> None:
    """As sentence-transformers has it; a pooling beside it is enough to tell another one."""
    mean: list[Module] = [Pooling(("mean",))]
    assert modules_of(tmp_path) == mean
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert modules_of(tmp_path) == [Pooling(("cls",))]


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        ([("Pooling", POOLING_FLAGS), ("LSTM", {})], "knows no module sentence_transformers"),
        ([("Pooling", {})], "knows no such pooling: none"),
        ([("Pooling", {"pooling_mode": "median"})], "knows no such pooling: median"),
        ([("Pooling", None)], r"its pooling has no config\.json"),
        ([("Normalize", None)], "it has no pooling after the model"),
        ([], "it has no pooling after the model"),
    ],
)
def test_what_is_not_known_is_refused(
    modules: list[tuple[str, dict[str, Any] | None]], told: str, tmp_path: Path
) -> None:
    """By its name: vectors made otherwise would compare with none of the model's."""
    with pytest.raises(EngineError, match=told) as refused:
        modules_of(write(tmp_path, *modules))
    assert refused.value.reason is Reason.CONFIG


def test_a_model_in_a_folder_of_its_own_is_refused(tmp_path: Path) -> None:
    """An old layout."""
    folder = write(tmp_path, ("Pooling", POOLING_FLAGS), path="0_BERT")
    with pytest.raises(EngineError, match="its model is in the folder 0_BERT"):
        modules_of(folder)


def test_lower_case_is_the_tokenizers(tmp_path: Path) -> None:
    """The gateway tokenizes by tokenizer.json alone."""
    folder = write(tmp_path, ("Pooling", POOLING_FLAGS))
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    with pytest.raises(EngineError, match="lower-cased"):
        modules_of(folder)
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert modules_of(folder)
