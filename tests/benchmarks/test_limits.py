"""What a step asks of a machine at least, and what the machine can do."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import limits
from limits import Demand, Limits, demand_of
from shapes import write

PARAMETERS = 2 * (2 * 64 * (64 + 32) + 3 * 64 * 128) + 512 * 64


def model_of(folder: Path, *, is_tied: bool) -> object:
    write("tiny", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": is_tied}))
    return AutoModelForCausalLM.from_config(
        AutoConfig.from_pretrained(folder), dtype=torch.bfloat16
    )


def test_a_step_reads_the_weights_once_and_every_sequences_past(tmp_path: Path) -> None:
    """Keys and values of two layers, two heads of 16, two bytes each."""
    found = demand_of(model_of(tmp_path, is_tied=True), 1000, 4, 100)
    assert found.bytes_read == 1000 + 4 * 100 * (2 * 2 * 2 * 16 * 2)


def test_a_step_multiplies_every_weight_for_every_token(tmp_path: Path) -> None:
    """And each head's query with all keys, and the weights of attention with all values."""
    found = demand_of(model_of(tmp_path, is_tied=True), 1000, 4, 100)
    assert found.operations == 2 * PARAMETERS * 4 + 4 * 2 * 4 * 16 * 4 * 100


def test_an_embedding_that_is_not_the_head_is_not_read(tmp_path: Path) -> None:
    """A row of it for each token is nothing beside the rest."""
    found = demand_of(model_of(tmp_path, is_tied=False), 100_000, 1, 0)
    assert found.bytes_read == 100_000 - 512 * 64 * 2


def test_a_demand_takes_its_time_at_best() -> None:
    """By either limit."""
    assert Demand(100.0, 30.0).seconds_at(Limits(50.0, 10.0)) == (2.0, 3.0)


def test_this_machine_has_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured, whatever they are; here with less memory than a measurement takes."""
    monkeypatch.setattr(limits, "READ_BYTES", 1024 * 1024)
    monkeypatch.setattr(limits, "SQUARE", {"cpu": 64})
    found = limits.measure("cpu")
    assert found.bytes_per_second > 0
    assert found.operations_per_second > 0
