"""Finding one's way in the schema: which table or key a path names."""

from collections.abc import Iterator
from typing import get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from serve_daemon.config.problems import KeyPath
from serve_daemon.config.schema import Config
from serve_daemon.config.tables import Effect, Table


def table_at(path: KeyPath) -> type[BaseModel] | None:
    """The table that a path names, if it names one."""
    match path:
        case ():
            return Config
        case (str(name),):
            return plain_tables().get(name)
        case (str(name), str()):
            return named_tables().get(name)
    return None


def field_at(path: KeyPath) -> FieldInfo | None:
    """The key that a path names, if it names one."""
    table = table_at(path[:-1]) if len(path) > 1 else None
    return table.model_fields.get(str(path[-1])) if table else None


def known_at(path: KeyPath) -> list[str]:
    """The keys that may stand in the table that a path names."""
    table = table_at(path)
    return list(table.model_fields) if table else []


def plain_keys() -> Iterator[KeyPath]:
    """The path of every key that stands in a table without a name of its own."""
    for name, table in plain_tables().items():
        yield from ((name, key) for key in table.model_fields)


def named_tables() -> dict[str, type[Table]]:
    """What `[profiles.NAME]` and `[models.NAME]` may hold, by the first part of their names."""
    return {
        name: get_args(field.annotation)[1]
        for name, field in Config.model_fields.items()
        if get_origin(field.annotation) is dict
    }


def effect_of(field: FieldInfo) -> Effect:
    """What a change of the key takes."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict):
        raise TypeError(f"{field} was not made by schema.key")
    return Effect(str(extra["effect"]))


def is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is list


def may_be_list(field: FieldInfo) -> bool:
    """Whether it takes a list beside something else."""
    # What has constraints is `Annotated`, around the type itself.
    bare = (getattr(each, "__origin__", each) for each in get_args(field.annotation))
    return any(list in (each, get_origin(each)) for each in bare)


def plain_tables() -> dict[str, type[Table]]:
    """What `[server]` and its like hold, by their names."""
    return {
        name: field.annotation
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table)
    }
