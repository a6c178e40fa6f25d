"""What form the text of an answer must have."""

from typing import Any, Literal

from msgspec import Struct

Kind = Literal["text", "json_object", "json_schema", "regex", "choice", "grammar"]


class OutputFormat(Struct, frozen=True):
    """One form; the attribute that belongs to `kind` is filled."""

    kind: Kind = "text"
    name: str = ""  # of a JSON schema
    description: str = ""
    schema: dict[str, Any] | bool = True  # of json_schema
    strict: bool = False
    pattern: str = ""  # of regex
    choices: list[str] = []  # of choice
    grammar: str = ""  # of grammar: Lark or GBNF


TEXT = OutputFormat()
