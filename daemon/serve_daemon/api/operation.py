"""How it is said what one method of one path takes and gives."""

from typing import Any, Literal

from msgspec import Struct

from serve_daemon.api.errors import ErrorReply
from serve_daemon.api.fields import Table
from serve_daemon.api.schemas import Schema

Method = Literal["get", "post", "delete"]
Kind = Literal["generation", "embedding", "any"]  # of the models that a request may name


class Parameter(Struct, frozen=True):
    """What a request says beside its body."""

    name: str
    place: Literal["path", "query", "header"]
    schema: Schema
    description: str = ""


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: Method
    path: str
    name: str
    summary: str
    table: Table | None = None  # of the body
    kind: Kind = "generation"
    parameters: tuple[Parameter, ...] = ()
    replies: tuple[Any, ...]  # one of these types
    not_ready: Any = None  # the type of a reply with status 503 that is no error
    events: tuple[Any, ...] = ()  # of a stream, one of these types each
    ends_with_done: bool = True  # the stream's last line is OpenAI's [DONE]
    errors: tuple[Any, ...] = (ErrorReply,)
    goes_on: tuple[str, ...] = ()  # operations that take the id of the reply as `response_id`
    is_open: bool = False  # no key is needed
    has_head: bool = False
