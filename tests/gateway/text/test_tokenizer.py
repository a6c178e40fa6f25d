"""What is read of an engine's artefacts."""

from pathlib import Path
from typing import Any

import pytest

from fakes.artefacts import write_artefacts
from serve_daemon.gateway.common import heap
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.text.tokenizer import (
    Defaults,
    TextModels,
    read_defaults,
    read_text_model,
    special_tokens,
)


@pytest.mark.parametrize(
    ("configuration", "defaults"),
    [
        ({}, Defaults(1.0, 1.0, 0)),
        ({"temperature": 0.6, "top_p": 0.9, "top_k": 50}, Defaults(0.6, 0.9, 50)),
        ({"temperature": None, "top_k": None}, Defaults()),
        (
            {"min_p": 0.1, "typical_p": 0.9, "repetition_penalty": 1.1},
            Defaults(min_p=0.1, typical_p=0.9, repetition_penalty=1.1),
        ),
        ({"do_sample": True, "temperature": 0.6}, Defaults(0.6)),
        ({"do_sample": False, "temperature": 0.6}, Defaults(0.0)),
        ({"temperature": 1, "max_length": 20}, Defaults(1.0)),
    ],
)
def test_defaults_are_the_makers(configuration: dict[str, Any], defaults: Defaults) -> None:
    """Those of generation_config.json, else OpenAI's."""
    assert read_defaults(configuration) == defaults


def test_special_tokens_are_strings_or_objects() -> None:
    """As tokenizer_config.json writes them; what is neither is left out."""
    configuration = {
        "bos_token": "<s>",
        "eos_token": {"content": "</s>", "lstrip": False},
        "pad_token": None,
        "add_bos_token": True,
        "model_max_length": 5,
    }
    assert special_tokens(configuration) == {"bos_token": "<s>", "eos_token": "</s>"}


def test_artefacts_are_read(tmp_path: Path) -> None:
    """Also where the model has no chat template and no defaults."""
    write_artefacts(tmp_path, generation_config={"temperature": 0.5})
    model = read_text_model(tmp_path)
    assert model.tokenizer.decode(model.tokenizer.encode("the 😀").ids) == "the 😀"
    assert (model.defaults.temperature, bool(model.chat_template)) == (0.5, True)
    for name in ("chat_template.jinja", "generation_config.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    model = read_text_model(tmp_path)
    assert (model.chat_template, model.variables, model.defaults) == ("", {}, Defaults())


async def test_artefacts_are_read_once_while_they_are_routed(tmp_path: Path) -> None:
    """And again when they have been away."""
    models = TextModels()
    directory = str(write_artefacts(tmp_path, generation_config={}))
    models.apply({directory})
    first = await models.get(directory)
    models.apply({directory})
    assert await models.get(directory) is first
    models.apply(set())
    assert await models.get(directory) is not first


async def test_what_reading_has_taken_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each that is read, since a vocabulary takes much that is free again afterwards."""
    given = []
    monkeypatch.setattr(heap, "give_back", lambda: given.append(True))
    models = TextModels()
    directory = str(write_artefacts(tmp_path, generation_config={}))
    await models.get(directory)
    await models.get(directory)
    assert given == [True]


async def test_broken_artefacts_are_an_error_until_they_are_mended(tmp_path: Path) -> None:
    """The failure is not kept."""
    models = TextModels()
    models.apply({str(tmp_path)})
    with pytest.raises(ApiError, match=r"tokenizer\.json"):
        await models.get(str(tmp_path))
    write_artefacts(tmp_path, generation_config={})
    assert (await models.get(str(tmp_path))).chat_template
