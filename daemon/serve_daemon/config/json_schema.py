"""The schema of serve.toml in the words of JSON Schema, for editors and checkers of others.

It says of each key what can be said of it alone. What takes a look at several keys, other files or
the machine, only `load` knows: a drop-in is a good file, too.
"""

from typing import Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from serve_daemon.config.keys import effect_of, named_tables, plain_tables
from serve_daemon.config.schema import Config
from serve_daemon.config.tables import Effect, Reader, Table
from serve_daemon.config.values import Name

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that editors of TOML know

_REPLACED = {Reader.GATEWAY: "the gateway", Reader.ENGINES: "every engine", None: "the engine"}

_LEFT_OUT = {"title", "description", "effect", "ge", "le"}


def json_schema() -> Schema:
    """That of a whole file, or of a drop-in."""
    return {
        "$schema": DRAFT,
        "title": "serve.toml",
        "description": "The models that serve-daemon serves, and how.",
        "type": "object",
        "properties": {name: _part(name) for name in Config.model_fields},
        "additionalProperties": False,
    }


def _part(name: str) -> Schema:
    if table := plain_tables().get(name):
        return _table(table)
    return {
        "type": "object",
        "propertyNames": TypeAdapter(Name).json_schema(),
        "additionalProperties": _table(named_tables()[name]),
    }


def _table(table: type[Table]) -> Schema:
    properties = table.model_json_schema()["properties"]
    return {
        "description": table.__doc__,
        "type": "object",
        "properties": {
            name: _key(field, properties[name], table.reader)
            for name, field in table.model_fields.items()
        },
        "additionalProperties": False,
    }


def _key(field: FieldInfo, made: Schema, reader: Reader | None) -> Schema:
    """What Pydantic says of a key, with what a change of it takes, as serve.toml(5) has it."""
    kept = {name: made[name] for name in made if name not in _LEFT_OUT}
    return {"description": f"{field.description} A change {_takes(field, reader)}."} | kept


def _takes(field: FieldInfo, reader: Reader | None) -> str:
    match effect_of(field):
        case Effect.UPDATE:
            return "is live"
        case Effect.REPLACE:
            return f"replaces {_REPLACED[reader]}"
        case Effect.RESTART:
            return "waits for a restart of the daemon"
