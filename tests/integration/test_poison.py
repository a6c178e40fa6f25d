"""A request that ends a real engine fails alone: over HTTP, under the real supervisor."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.models import write_config, write_tokenizer
from integration.daemon import RunningDaemon

pytestmark = pytest.mark.long

OTHERS = 15
TOKENS = 40
POISON = "~"
# What a checkpoint's own code may do: here, abort over one token, as a broken kernel would.
CODE = """
import os

from transformers import LlamaForCausalLM


class FragileForCausalLM(LlamaForCausalLM):
    def forward(self, input_ids=None, **arguments):
        if (input_ids == {token}).any():
            os.abort()
        return super().forward(input_ids=input_ids, **arguments)
"""


def write_fragile(folder: Path) -> Path:
    """A checkpoint whose model aborts when it sees the poison's token."""
    write_config(folder, auto_map={"AutoModelForCausalLM": "modeling_fragile.FragileForCausalLM"})
    write_tokenizer(folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    code = CODE.format(token=vocabulary[POISON])
    (folder / "modeling_fragile.py").write_text(code)
    return folder


def ask(client: httpx.AsyncClient, text: str) -> asyncio.Future[httpx.Response]:
    body: dict[str, Any] = {
        "model": "fragile",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": TOKENS,
        "min_tokens": TOKENS,
        "temperature": 0,
        # Nobody may produce it but whoever asks for it.
        "bad_words": [POISON],
    }
    return asyncio.ensure_future(client.post("/v1/chat/completions", json=body))


def text_of(reply: httpx.Response) -> str:
    assert reply.status_code == 200, reply.text
    return str(reply.json()["choices"][0]["message"]["content"])


async def test_of_sixteen_requests_only_the_poison_fails(daemon: RunningDaemon) -> None:
    """The others' answers are those of an engine that never ended."""
    source = write_fragile(daemon.directory / "fragile")
    daemon.write(
        f'[models.fragile]\nsource = "{source}"\nload_format = "dummy"\ndtype = "float32"\n'
        "trust_remote_code = true\nmax_requests = 16\nrestart_delay = 0.1\n",
        fake=False,
    )
    await daemon.start()
    await daemon.until_model("fragile", state="ready")
    prompts = [f"request {number}" for number in range(OTHERS)]
    async with daemon.http() as client:
        expected = [text_of(await ask(client, prompt)) for prompt in prompts]
        poison = ask(client, f"a {POISON} b")
        answers = await asyncio.gather(*(ask(client, prompt) for prompt in prompts))
        failed = await poison
    assert [text_of(answer) for answer in answers] == expected
    assert failed.status_code == 500, failed.text
    assert failed.json()["error"]["code"] == "engine_failed"
    assert daemon.model("fragile")["restarts"] == 3
