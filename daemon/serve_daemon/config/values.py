"""The kinds of values that keys of the file take."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from serve_daemon.config.address import parse_address

_INT32_MAX = 2**31 - 1  # messages between programs carry them on
_INT64_MAX = 2**63 - 1
_CREDENTIAL = re.compile(r"/.+|[A-Za-z0-9_.-]+|")  # the names that systemd takes, or a path
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^\s/,]+")
_SIZE = re.compile(r"\s*(\d+|\d*\.\d+)\s*([bB]|[kKmMgGtTpPeE]([iI]?[bB])?)?\s*")
_NOT_ZERO = "(?=.*[1-9])"
# For editors alone: `parse_address` and `name_of` know more, and say what is wrong.
_ADDRESS = r"unix:/.*|(\[[0-9A-Fa-f:.]+\]|[^\s:/*\[\]]+):\d{1,5}"
_NAME = r"[^\s\u0000-\u001f\u007f]+"


def _address(text: str) -> str:
    parse_address(text)
    return text


def name_of(text: str) -> str:
    """The text, if it can be the name of a table; ValueError says what is wrong with it."""
    if not text:
        raise ValueError("is empty, write a name")
    if not text.isprintable() or " " in text:
        raise ValueError("holds a space or a character that can't be seen, choose another name")
    return text


def _credential(text: str) -> str:
    if not _CREDENTIAL.fullmatch(text) or text in {".", ".."}:
        raise ValueError(f'"{text}" is neither an absolute path nor the name of a credential')
    return text


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError(f'"{text}" is no origin, write https://HOST, http://HOST:PORT or *')
    return text


def _size(value: Any) -> Any:
    # Pydantic takes what begins like a size for one: "2,5GiB" would be two bytes.
    if isinstance(value, str) and not _SIZE.fullmatch(value):
        raise PydanticCustomError("byte_size", "is no size")
    return value


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


def _bytes(least: int) -> WithJsonSchema:
    number = {"type": "integer", "minimum": least, "maximum": _INT64_MAX}
    pattern = f"^{_NOT_ZERO if least else ''}{_SIZE.pattern}$"
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": pattern}]})


def _switch(value: Any, choose: ValidatorFunctionWrapHandler) -> Any:
    try:
        return choose(value)
    except ValidationError:
        shown = json.dumps(value, default=str)
        raise ValueError(f'{shown} is not known, use "auto", true or false') from None


def _devices(value: Any, choose: ValidatorFunctionWrapHandler) -> Any:
    try:
        chosen = choose(value)
    except ValidationError:
        chosen = None
    if chosen:
        return chosen
    shown = json.dumps(value, default=str)
    raise ValueError(
        f"{shown} is no device, use auto, cpu, cuda or cuda:N, or a list of them for replicas"
    )


Address = Annotated[str, AfterValidator(_address), _text(_ADDRESS)]
Name = Annotated[str, AfterValidator(name_of), _text(_NAME)]
Credential = Annotated[str, AfterValidator(_credential), _text(_CREDENTIAL.pattern)]
Origin = Annotated[str, AfterValidator(_origin), _text(_ORIGIN.pattern)]
Count = Annotated[int, Field(ge=1, le=_INT32_MAX)]
CountOrZero = Annotated[int, Field(ge=0, le=_INT32_MAX)]
Seconds = Annotated[float, Field(gt=0)]
SecondsOrZero = Annotated[float, Field(ge=0)]
Size = Annotated[ByteSize, BeforeValidator(_size), Field(ge=1, le=_INT64_MAX), _bytes(1)]
SizeOrZero = Annotated[ByteSize, BeforeValidator(_size), Field(ge=0, le=_INT64_MAX), _bytes(0)]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
Devices = Annotated[Device | Annotated[list[Device], Field(min_length=1)], WrapValidator(_devices)]
Switch = Annotated[Literal["auto"] | bool, WrapValidator(_switch)]
