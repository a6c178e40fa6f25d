"""The OpenAPI document: what it says of each operation."""

from collections.abc import Iterator
from typing import Any

import pytest

from serve_daemon.api.anthropic_replies import Message
from serve_daemon.api.fields import Table
from serve_daemon.api.openapi import document
from serve_daemon.api.operation import Kind
from serve_daemon.api.operations import OPERATIONS
from serve_daemon.api.reply_schemas import Components

NAMES: dict[Kind, list[str]] = {"generation": ["m"], "embedding": ["e"], "any": ["m", "e"]}
DOCUMENT = document(NAMES, needs_key=False)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def references(value: Any) -> Iterator[str]:
    """Whatever is referred to in a JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_it_is_of_the_version_that_describes_streams() -> None:
    """3.2 has itemSchema."""
    assert DOCUMENT["openapi"] == "3.2.0"
    content = DOCUMENT["paths"]["/v1/responses"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/event-stream"}
    assert set(content["text/event-stream"]) == {"itemSchema"}


def test_whatever_it_refers_to_is_there() -> None:
    """And nothing else."""
    used = {reference.rpartition("/")[2] for reference in references(DOCUMENT)}
    assert used == set(SCHEMAS) | {"RequestId"}


def test_every_operation_has_a_name_of_its_own() -> None:
    """From which clients are generated."""
    names = [each["operationId"] for path in DOCUMENT["paths"].values() for each in path.values()]
    assert len(set(names)) == len(names) >= len(OPERATIONS)


def test_a_link_leads_to_an_operation() -> None:
    """With the parameter that it fills."""
    operations = {
        each["operationId"]: each
        for methods in DOCUMENT["paths"].values()
        for each in methods.values()
    }
    links = DOCUMENT["paths"]["/v1/responses"]["post"]["responses"]["200"]["links"]
    assert links
    for link in links.values():
        names = [each["name"] for each in operations[link["operationId"]]["parameters"]]
        assert set(link["parameters"]) <= set(names)


TABLES = [(each.path, each.table) for each in OPERATIONS if each.table is not None]


@pytest.mark.parametrize(("path", "table"), TABLES)
def test_every_field_of_a_request_is_described(path: str, table: Table) -> None:
    """By more than its name; nothing else is accepted."""
    body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    schema = SCHEMAS[body["schema"]["$ref"].rpartition("/")[2]]
    assert set(schema["properties"]) == set(table)
    assert schema["additionalProperties"] is False
    assert [name for name, field in schema["properties"].items() if not field] == []


def test_the_models_are_told_unless_a_key_is_needed() -> None:
    """Each operation names those that it is for."""
    request = SCHEMAS["CreateEmbeddingRequest"]
    assert request["properties"]["model"]["enum"] == ["e"]
    with_keys = document(NAMES, needs_key=True)
    request = with_keys["components"]["schemas"]["CreateEmbeddingRequest"]
    assert request["properties"]["model"] == {"type": "string"}
    assert with_keys["security"] == [{"bearer": []}, {"key": []}]
    assert with_keys["paths"]["/health"]["get"]["security"] == []


def test_what_a_reply_always_has_is_required() -> None:
    """With the tag that msgspec writes."""
    components = Components()
    assert components.schema(Message) == {"$ref": "#/components/schemas/Message"}
    message = components.schemas["Message"]
    assert message["properties"]["type"] == {"const": "message"}
    assert set(message["required"]) == set(message["properties"])


def test_what_is_no_json_has_no_schema() -> None:
    """Rather than one that says nothing."""
    with pytest.raises(TypeError, match="set"):
        Components().schema(set[int])
