"""The kinds of values that keys of the file take."""

import json
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


def _address(text: str) -> str:
    parse_address(text)
    return text


def _name(text: str) -> str:
    if not text:
        raise ValueError("is empty, write a name")
    if not text.isprintable() or " " in text:
        raise ValueError("holds a space or a character that can't be seen, choose another name")
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
Name = Annotated[str, AfterValidator(_name)]
Count = Annotated[int, Field(ge=1, le=_INT32_MAX)]
CountOrZero = Annotated[int, Field(ge=0, le=_INT32_MAX)]
Seconds = Annotated[float, Field(gt=0)]
SecondsOrZero = Annotated[float, Field(ge=0)]
Size = Annotated[ByteSize, Field(ge=1, le=_INT64_MAX)]
SizeOrZero = Annotated[ByteSize, Field(ge=0, le=_INT64_MAX)]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")]
Devices = Annotated[Device | list[Device], WrapValidator(_devices)]
Switch = Annotated[Literal["auto"] | bool, WrapValidator(_switch)]
