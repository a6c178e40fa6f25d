"""The OpenAPI document of the API, made of the tables of fields and the Structs of replies."""

from collections.abc import Mapping, Sequence
from typing import Any

from serve_daemon import __version__
from serve_daemon.api.fields import object_schema
from serve_daemon.api.operation import Kind, Operation, Parameter
from serve_daemon.api.operations import OPERATIONS
from serve_daemon.api.reply_schemas import Components
from serve_daemon.api.schemas import Schema

VERSION = "3.2.0"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

ABOUT = (
    "Every field of a request is honoured or refused by its name. What a schema can't say, such as"
    " that one field needs another, is answered with status 400 and an error that names the field."
)
STATUSES = {
    400: "The request can't be: its error says why, and names the field.",
    401: "There is no key, or it is not known.",
    404: "There is no such thing, or none that this key may use.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    429: "Too many requests are open; Retry-After says when to try again.",
    500: "The server had an error.",
    503: "The model is not there at the moment, or the server leaves.",
}
OF_BODIES = (408, 413, 415)
SECURITY: dict[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "As OpenAI's clients do."},
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "As Anthropic's clients do.",
    },
}
REQUEST_ID = {
    "description": "Names the request in the server's log; the client's own where it sent one.",
    "schema": {"type": "string"},
}


def document(names: Mapping[Kind, Sequence[str]], *, needs_key: bool) -> dict[str, Any]:
    """The whole document of a server with models of these names.

    With `needs_key` it tells no names, as anybody may read it.
    """
    components = Components()
    known: Mapping[Kind, Sequence[str]] = {} if needs_key else names
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        methods = paths.setdefault(operation.path, {})
        methods[operation.method] = _operation(operation, components, known)
        if operation.has_head:
            methods["head"] = _head(methods["get"])
    return {
        "openapi": VERSION,
        "jsonSchemaDialect": DIALECT,
        "info": {"title": "serve-daemon", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components.schemas,
            "headers": {"RequestId": REQUEST_ID},
            "securitySchemes": SECURITY,
        },
        "security": [{name: []} for name in SECURITY] if needs_key else [],
    }


def _operation(
    operation: Operation, components: Components, names: Mapping[Kind, Sequence[str]]
) -> dict[str, Any]:
    told: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    if operation.parameters:
        told["parameters"] = [_parameter(each) for each in operation.parameters]
    if operation.table is not None:
        schema = object_schema(operation.table)
        if models := names.get(operation.kind):
            model = {**schema["properties"]["model"], "enum": list(models)}
            schema["properties"] = {**schema["properties"], "model": model}
        name = f"{operation.name[0].upper()}{operation.name[1:]}Request"
        reference = components.add(name, schema)
        content = {"application/json": {"schema": reference}}
        told["requestBody"] = {"required": True, "content": content}
    told["responses"] = _responses(operation, components)
    if operation.is_open:
        told["security"] = []
    return told


def _parameter(parameter: Parameter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "schema": parameter.schema,
    }
    if parameter.place == "path":
        told["required"] = True
    if parameter.description:
        told["description"] = parameter.description
    return told


def _responses(operation: Operation, components: Components) -> dict[str, Any]:
    content = {"application/json": {"schema": components.any_of(*operation.replies)}}
    if operation.events:
        content["text/event-stream"] = {"itemSchema": _event(operation, components)}
    responses = {"200": _response("It worked.", content)}
    if operation.goes_on:
        responses["200"]["links"] = {name: _link(name) for name in operation.goes_on}
    schema = components.any_of(*operation.errors)
    for status, meaning in STATUSES.items():
        if operation.table is not None or status not in OF_BODIES:
            responses[str(status)] = _response(meaning, {"application/json": {"schema": schema}})
    if operation.not_ready is not None:
        schema = components.any_of(operation.not_ready, *operation.errors)
        responses["503"] = _response("Not yet.", {"application/json": {"schema": schema}})
    return responses


def _link(name: str) -> Schema:
    """To what can be asked about a response by its id."""
    return {"operationId": name, "parameters": {"response_id": "$response.body#/id"}}


def _response(description: str, content: Schema) -> dict[str, Any]:
    headers = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    return {"description": description, "headers": headers, "content": content}


def _event(operation: Operation, components: Components) -> Schema:
    """One event of a stream: its data are JSON, but for the last line of some."""
    schema = components.any_of(*operation.events)
    data: Schema = {"contentMediaType": "application/json", "contentSchema": schema}
    if operation.ends_with_done:
        data = {"anyOf": [{"const": "[DONE]"}, data]}
    return {
        "type": "object",
        "properties": {"event": {"type": "string"}, "data": {"type": "string", **data}},
        "required": ["data"],
    }


def _head(get: dict[str, Any]) -> dict[str, Any]:
    """The same without a body."""
    responses = {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in get["responses"].items()
    }
    return {**get, "operationId": f"{get['operationId']}Head", "responses": responses}
