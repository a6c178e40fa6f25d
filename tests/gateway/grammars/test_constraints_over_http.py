"""What an answer must be, from an HTTP request to the grammar that the engine is told."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fakes.supervisor import FakeSupervisor
from gateway.grammars.trying import schema
from serve_daemon.wire.messages import Submit

RESPONSES, CHAT, COMPLETIONS = "/v1/responses", "/v1/chat/completions", "/v1/completions"
PERSON = schema({"age": {"type": "integer"}})
BAD = {"type": "object", "properties": {"age": {"$ref": "#/nowhere"}}}
PARAMETERS = {"name": "grow", "parameters": PERSON}


async def recorded(supervisor: FakeSupervisor, directory: Path) -> Path:
    """A served model's file of what its engine is told."""
    file = directory / "record"
    await supervisor.serve(f"fake:record={file}")
    return file


def ask(path: str, **fields: Any) -> dict[str, Any]:
    hello: dict[str, dict[str, Any]] = {
        RESPONSES: {"input": "hello"},
        CHAT: {"messages": [{"role": "user", "content": "hello"}]},
        COMPLETIONS: {"prompt": "hello"},
    }
    return {"model": "m", **hello[path], **fields}


def submits(record: Path) -> list[Submit]:
    lines = record.read_bytes().splitlines() if record.exists() else []
    return [msgspec.json.decode(line, type=Submit, strict=False) for line in lines]


def named(json_schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": "n", "schema": json_schema}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((RESPONSES, {"text": {"format": {"type": "json_schema", **named(PERSON)}}}), ["age"]),
        ((RESPONSES, {"tools": [{"type": "function", **PARAMETERS}]}), ["TEXT", "grow", "age"]),
        (
            (CHAT, {"response_format": {"type": "json_schema", "json_schema": named(PERSON)}}),
            ["age"],
        ),
        ((CHAT, {"response_format": {"type": "json_object"}}), ['{"type": "object"']),
        ((CHAT, {"structured_outputs": {"choice": ["yes", "no"]}}), ['"yes"', '"no"']),
        (
            (
                CHAT,
                {
                    "tools": [{"type": "function", "function": PARAMETERS}],
                    "tool_choice": "required",
                },
            ),
            ["grow", "age"],
        ),
        ((COMPLETIONS, {"structured_outputs": {"regex": "[a-c]+"}}), ["[a-c]+"]),
    ],
)
async def test_the_engine_is_told_a_grammar(
    asked: tuple[str, dict[str, Any]],
    words: list[str],
    tmp_path: Path,
    supervisor: FakeSupervisor,
    client: httpx.AsyncClient,
) -> None:
    """And it may end an answer that has its form, whatever is to be ignored."""
    record = await recorded(supervisor, tmp_path)
    path, fields = asked
    extra = {"ignore_eos": True, "max_output_tokens" if path == RESPONSES else "max_tokens": 5}
    reply = await client.post(path, json=ask(path, **fields, **extra))
    assert reply.status_code == 200
    [submit] = submits(record)
    assert submit.grammar.startswith("start: ")
    assert [word for word in words if word not in submit.grammar] == []
    assert submit.stop_tokens


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (
            (RESPONSES, {"text": {"format": {"type": "json_schema", **named(BAD)}}}),
            "text.format.schema",
        ),
        (
            (CHAT, {"response_format": {"type": "json_schema", "json_schema": named(BAD)}}),
            "response_format.json_schema.schema",
        ),
        ((CHAT, {"structured_outputs": {"regex": "(a"}}), "structured_outputs.regex"),
        ((COMPLETIONS, {"guided_grammar": "start: nothing"}), "guided_grammar"),
        (
            (CHAT, {"tools": [{"type": "function", "function": {"name": "f", "parameters": BAD}}]}),
            "tools[0]",
        ),
    ],
)
async def test_what_no_grammar_is_made_of_is_refused(
    asked: tuple[str, dict[str, Any]],
    param: str,
    tmp_path: Path,
    supervisor: FakeSupervisor,
    client: httpx.AsyncClient,
) -> None:
    """400 with the field and llguidance's reason; no engine hears of it."""
    record = await recorded(supervisor, tmp_path)
    path, fields = asked
    reply = await client.post(path, json=ask(path, **fields))
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["param"], error["code"]) == (param, "invalid_grammar")
    assert submits(record) == []


async def test_any_text_is_told_no_grammar(
    tmp_path: Path, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Nor any end that is to be ignored."""
    record = await recorded(supervisor, tmp_path)
    await client.post(CHAT, json=ask(CHAT, ignore_eos=True, max_tokens=5))
    [submit] = submits(record)
    assert (submit.grammar, submit.stop_tokens) == ("", [])
