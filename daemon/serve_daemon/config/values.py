"""The kinds of values that keys of the file take."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ByteSize,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from serve_daemon.config.address import parse_address

_INT32_MAX = 2**31 - 1  # messages between programs carry them on
_INT64_MAX = 2**63 - 1
_CREDENTIAL = re.compile(r"/.+|[A-Za-z0-9_.-]+|")  # the names that systemd takes, or a path
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^\s/,]+")


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


Address = Annotated[str, AfterValidator(_address)]
Name = Annotated[str, AfterValidator(name_of)]
Credential = Annotated[str, AfterValidator(_credential)]
Origin = Annotated[str, AfterValidator(_origin)]
Count = Annotated[int, Field(ge=1, le=_INT32_MAX)]
CountOrZero = Annotated[int, Field(ge=0, le=_INT32_MAX)]
Seconds = Annotated[float, Field(gt=0)]
SecondsOrZero = Annotated[float, Field(ge=0)]
Size = Annotated[ByteSize, Field(ge=1, le=_INT64_MAX)]
SizeOrZero = Annotated[ByteSize, Field(ge=0, le=_INT64_MAX)]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
Devices = Annotated[Device | list[Device], WrapValidator(_devices)]
Switch = Annotated[Literal["auto"] | bool, WrapValidator(_switch)]
