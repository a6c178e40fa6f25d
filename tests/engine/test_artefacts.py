"""What the gateway reads, gathered from checkpoints of several looks."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.models import write_config, write_tokenizer
from serve_daemon.engine.artefacts import default_template, gather, tokenizer_config


@pytest.mark.parametrize(
    ("config", "special", "plain"),
    [
        ({}, {}, {}),
        ({"eos_token": "</s>"}, {}, {"eos_token": "</s>"}),
        ({"eos_token": {"content": "</s>", "lstrip": True}}, {}, {"eos_token": "</s>"}),
        ({}, {"bos_token": {"content": "<s>"}}, {"bos_token": "<s>"}),
        ({"bos_token": "<a>"}, {"bos_token": "<b>"}, {"bos_token": "<a>"}),
        ({"bos_token": None}, {}, {"bos_token": None}),
        ({"chat_template": "x", "add_bos_token": True}, {}, {"add_bos_token": True}),
    ],
)
def test_special_tokens_become_strings(
    config: dict[str, Any], special: dict[str, Any], plain: dict[str, Any]
) -> None:
    """However a checkpoint writes them, and in whichever of its files."""
    assert tokenizer_config(config, special) == plain


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (None, ""),
        ("{{ x }}", "{{ x }}"),
        ([{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}], "d"),
        ([{"name": "rag", "template": "r"}], ""),
    ],
)
def test_the_default_template(template: object, text: str) -> None:
    """Old checkpoints keep it, or several, in the tokenizer's config."""
    assert default_template(template) == text


def test_a_checkpoint_is_gathered(tmp_path: Path) -> None:
    """Copies of what is there, the template in a file of its own, and no weights."""
    checkpoint = write_tokenizer(write_config(tmp_path / "m"))
    (checkpoint / "model.safetensors").write_bytes(b"large")
    folder = gather(checkpoint, tmp_path / "cache")
    assert {path.name for path in folder.iterdir()} == {
        "chat_template.jinja",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert (folder / "chat_template.jinja").read_text() == "{{ messages[0].content }}"
    written = json.loads((folder / "tokenizer_config.json").read_text())
    assert (written["bos_token"], written["eos_token"]) == ("<s>", "</s>")


def test_the_template_file_wins(tmp_path: Path) -> None:
    """Over the template in the tokenizer's config, as in Transformers."""
    checkpoint = write_tokenizer(write_config(tmp_path / "m"))
    (checkpoint / "chat_template.jinja").write_text("from the file")
    folder = gather(checkpoint, tmp_path / "cache")
    assert (folder / "chat_template.jinja").read_text() == "from the file"


def test_a_checkpoint_without_a_tokenizer(tmp_path: Path) -> None:
    """Has its configs gathered all the same."""
    folder = gather(write_config(tmp_path / "m"), tmp_path / "cache")
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_an_unchanged_checkpoint_is_gathered_once(tmp_path: Path) -> None:
    """A changed one gets a directory of its own: who reads the old one is not disturbed."""
    checkpoint = write_tokenizer(write_config(tmp_path / "m"))
    first = gather(checkpoint, tmp_path / "cache")
    assert gather(checkpoint, tmp_path / "cache") == first
    (checkpoint / "chat_template.jinja").write_text("new")
    second = gather(checkpoint, tmp_path / "cache")
    assert second != first
    assert (first / "chat_template.jinja").read_text() == "{{ messages[0].content }}"


def test_what_a_dead_engine_left_does_not_matter(tmp_path: Path) -> None:
    """Half a directory of a process with the same id is thrown away."""
    checkpoint = write_config(tmp_path / "m")
    folder = gather(checkpoint, tmp_path / "cache")
    left = folder.rename(folder.with_name(f"{folder.name}.{os.getpid()}.partial"))
    (left / "rubbish").write_text("x")
    assert gather(checkpoint, tmp_path / "cache") == folder
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    assert not left.exists()
