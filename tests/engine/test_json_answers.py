"""The real model, held to a schema: every answer parses and fits, in both engines."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from engine.client import SMOLLM2, EngineProcess, Gateway
from serve_daemon.api.output_format import OutputFormat
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.engine import engines
from serve_daemon.gateway.grammars.grammars import grammar_of
from serve_daemon.gateway.parsing.tool_families import GENERIC
from serve_daemon.wire.messages import EngineSpec, Finish
from serve_daemon.wire.sampling import Sampling

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

ANSWERS = 1000
AT_ONCE = 16
MOST_TOKENS = 600
QUESTION = "Describe a person called {} as JSON."
NAMES = ("Ada", "Bo", "Chen", "Dana", "Eve", "Finn", "Gita", "Hal")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "age": {"type": "integer"},
        "height": {"type": "number"},
        "email": {
            "anyOf": [{"type": "string", "format": "email", "maxLength": 40}, {"type": "null"}]
        },
        "mood": {"enum": ["happy", "sad", 'so-"so"', 7]},
        "skills": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z ]{1,20}$"},
            "maxItems": 4,
        },
        "address": {"$ref": "#/$defs/place"},
    },
    "required": ["name", "age", "height", "mood", "skills", "address"],
    "additionalProperties": False,
    "$defs": {
        "place": {
            "type": "object",
            "properties": {
                "street": {"type": "string", "maxLength": 40},
                "number": {"type": "integer", "minimum": 1, "maximum": 999},
                "is_home": {"type": "boolean"},
            },
            "required": ["street", "number"],
            "additionalProperties": False,
        }
    },
}


@pytest.fixture(scope="module", params=engines.GENERATING)
def smollm2(request: pytest.FixtureRequest, model_cache: Path) -> Iterator[EngineProcess]:
    spec = EngineSpec("smollm2", SMOLLM2, engine=request.param, dtype="bfloat16")
    with EngineProcess(spec, model_cache) as process:
        process.ready()
        yield process


async def test_every_one_of_a_thousand_answers_parses(smollm2: EngineProcess) -> None:
    """At temperature 1, several in a batch; what the schema leaves open ends, too."""
    ready = smollm2.ready()
    tokenizer = Tokenizer.from_file(f"{ready.artefacts}/tokenizer.json")
    form = OutputFormat("json_schema", schema=SCHEMA)
    grammar = grammar_of(GenerationRequest(model="m", output_format=form), GENERIC.syntax, None)
    texts: list[str] = []
    numbers = iter(range(ANSWERS))
    async with await Gateway.connect(smollm2.socket_path) as gateway:

        async def ask() -> None:
            for number in numbers:
                question = QUESTION.format(NAMES[number % len(NAMES)])
                prompt = f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
                tokens = tokenizer.encode(prompt, add_special_tokens=False).ids
                ends = tuple(ready.eos_tokens)
                sampling = Sampling(seed=number)
                stream = gateway.submit(tokens, MOST_TOKENS, sampling, ends, grammar=grammar)
                await stream.done()
                text = tokenizer.decode(stream.tokens, skip_special_tokens=True)
                assert stream.finish is Finish.STOP, f"{number}: {stream.finish} of {text}"
                texts.append(text)

        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    answers = [json.loads(text) for text in texts]
    assert [answer for answer in answers if set(SCHEMA["required"]) - set(answer)] == []
    assert [answer for answer in answers if not fits(answer)] == []
    assert len(set(texts)) > ANSWERS // 2


def fits(answer: dict[str, Any]) -> bool:
    address = answer["address"]
    return (
        1 <= len(answer["name"]) <= 40
        and isinstance(answer["age"], int)
        and answer["mood"] in SCHEMA["properties"]["mood"]["enum"]
        and len(answer["skills"]) <= 4
        and 1 <= address["number"] <= 999
        and set(answer) <= set(SCHEMA["properties"])
    )
