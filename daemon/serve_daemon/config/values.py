"""The kinds of values that keys of the file take."""

from typing import Annotated

from pydantic import AfterValidator, ByteSize, Field

from serve_daemon.config.address import parse_address

_INT32_MAX = 2**31 - 1  # messages between programs carry them on
_INT64_MAX = 2**63 - 1


def _address(text: str) -> str:
    parse_address(text)
    return text


Address = Annotated[str, AfterValidator(_address)]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1, le=_INT32_MAX)]
CountOrZero = Annotated[int, Field(ge=0, le=_INT32_MAX)]
Seconds = Annotated[float, Field(gt=0)]
Size = Annotated[ByteSize, Field(ge=1, le=_INT64_MAX)]
SizeOrZero = Annotated[ByteSize, Field(ge=0, le=_INT64_MAX)]
