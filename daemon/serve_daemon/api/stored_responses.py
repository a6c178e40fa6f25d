"""What is asked of, and told about, responses that are kept: queries, and pages of items."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import Field, Table, integer, only, read_object, text, wrong_type
from serve_daemon.api.response_output import Item
from serve_daemon.api.response_settings import included
from serve_daemon.api.schemas import Described, array_of, described

MAX_ITEMS = 100
DEFAULT_ITEMS = 20
LARGEST_NUMBER = 2**53  # that JSON's readers all keep whole


class ResponseQuery(Struct, frozen=True):
    """How a response is told: the object, or its events after this sequence_number."""

    stream: bool = False
    starting_after: int | None = None


class ItemQuery(Struct, frozen=True):
    """Which items, of those in this order."""

    after: str | None = None
    before: str | None = None
    limit: int = DEFAULT_ITEMS
    order: str = "desc"


class ItemList(Struct, frozen=True):
    """A page of the items that were the input of a response."""

    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


class Deleted(Struct, frozen=True):
    """The reply to DELETE."""

    id: str
    object: str = "response"
    deleted: bool = True


# ---------------------------------------------------------------- values of a query


@described({"enum": ["true", "false"]})
def flag(value: Any, path: str) -> bool:
    """A boolean, as URLs have it."""
    if value not in ("true", "false"):
        raise wrong_type(path, "true or false", value)
    return bool(value == "true")


def number(low: int, high: int) -> Described[int]:
    """A whole number of this range, in decimal digits."""
    within = integer(low, high)

    @described({"type": "integer", "minimum": low, "maximum": high})
    def read(value: Any, path: str) -> int:
        if not isinstance(value, str) or not value.removeprefix("-").isdecimal():
            raise wrong_type(path, "an integer", value)
        return int(within(int(value), path))

    return read


@described(array_of({"type": "string"}))
def includes(value: Any, path: str) -> list[str]:
    """One value, or several; what they stand for is told where it is kept, so always."""
    read: list[str] = included([value] if isinstance(value, str) else value, path)
    return read


INCLUDE = Field(includes, note="a response is kept, and told, with all that was asked for at first")
RESPONSE_QUERY: Table = {
    "include": INCLUDE,
    "include[]": INCLUDE,
    "stream": Field(flag, "stream"),
    "starting_after": Field(number(0, LARGEST_NUMBER), "starting_after"),
    "include_obfuscation": Field(
        only("false", reason="events are told again as they were at first")
    ),
}
ITEM_QUERY: Table = {
    "include": INCLUDE,
    "include[]": INCLUDE,
    "after": Field(text, "after"),
    "before": Field(text, "before"),
    "limit": Field(number(1, MAX_ITEMS), "limit"),
    "order": Field(only("asc", "desc"), "order"),
}


def read_response_query(parameters: Mapping[str, Any]) -> ResponseQuery:
    """Raises `InvalidRequest`."""
    query = ResponseQuery(**read_object(RESPONSE_QUERY, dict(parameters)))
    if query.starting_after is not None and not query.stream:
        message = "Invalid 'starting_after': only a stream starts after an event; set 'stream'."
        raise InvalidRequest(message, "starting_after", "invalid_value")
    return query


def read_item_query(parameters: Mapping[str, Any]) -> ItemQuery:
    """Raises `InvalidRequest`."""
    return ItemQuery(**read_object(ITEM_QUERY, dict(parameters)))


# ---------------------------------------------------------------- pages


def page(items: Sequence[Item], query: ItemQuery) -> ItemList:
    """The items that a query asks for, of all that there are, the oldest first.

    Raises `InvalidRequest` where it names an item that is not among them.
    """
    ordered = list(items) if query.order == "asc" else list(items)[::-1]
    start = 0 if query.after is None else _place(ordered, query.after, "after") + 1
    end = len(ordered) if query.before is None else _place(ordered, query.before, "before")
    wanted = ordered[start:end]
    told = wanted[: query.limit]
    return ItemList(
        data=told,
        first_id=told[0].get("id") if told else None,
        last_id=told[-1].get("id") if told else None,
        has_more=len(wanted) > len(told),
    )


def _place(items: Sequence[Item], item_id: str, parameter: str) -> int:
    for place, item in enumerate(items):
        if item.get("id") == item_id:
            return place
    message = f"Invalid '{parameter}': the response has no input item '{item_id:.80}'."
    raise InvalidRequest(message, parameter, "invalid_value")
