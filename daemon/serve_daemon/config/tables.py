"""What every table of serve.toml is made of, and what its keys tell about themselves."""

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Effect(StrEnum):
    """What a running daemon must do when a key has changed. Ordered: the last one wins."""

    UPDATE = "update"  # nothing stops; the new value holds from now on
    REPLACE = "replace"  # the process that reads the key is replaced by a new one
    RESTART = "restart"  # only a restart of the daemon takes it up


class Reader(StrEnum):
    """The program that a table speaks to: which one a change of the table touches."""

    DAEMON = "daemon"
    GATEWAY = "gateway"
    ENGINES = "engines"  # every one of them


def key(default: Any, description: str, effect: Effect, **constraints: Any) -> Any:
    """A key of the file, with all that is to be known of it."""
    return Field(
        default, description=description, json_schema_extra={"effect": effect.value}, **constraints
    )


class Table(BaseModel):
    """A TOML table: unknown keys are refused, values never change once read."""

    reader: ClassVar[Reader | None] = None

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
