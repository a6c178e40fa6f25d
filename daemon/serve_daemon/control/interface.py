"""A varlink interface as data: what each method takes and gives, read from its text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

_TOKENS = re.compile(r"(#[^\n]*|\s+)|(->|\[string\]|\[\]|[?():,]|[A-Za-z](?:[\w.]|-(?!>))*)")

_PRIMITIVES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "string": (str,),
    "object": (dict, list, str, int, float, bool),
}


@dataclass(frozen=True, slots=True)
class Name:
    """A primitive type, or one that the interface defines."""

    name: str


@dataclass(frozen=True, slots=True)
class Optional:
    of: "Type"


@dataclass(frozen=True, slots=True)
class List:
    of: "Type"


@dataclass(frozen=True, slots=True)
class Dictionary:
    of: "Type"


@dataclass(frozen=True, slots=True)
class Struct:
    fields: Mapping[str, "Type"]


@dataclass(frozen=True, slots=True)
class Enum:
    names: tuple[str, ...]


Type = Name | Optional | List | Dictionary | Struct | Enum


@dataclass(frozen=True, slots=True)
class Method:
    takes: Type
    gives: Type


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface: its text, and what stands in it."""

    name: str
    description: str
    types: Mapping[str, Type]
    methods: Mapping[str, Method]
    errors: Mapping[str, Type]

    def fault(self, value: object, expected: Type, where: str = "") -> str:
        """The path of the first thing in `value` that is not as `expected`; "" if all is."""
        match expected:
            case Optional(of):
                return "" if value is None else self.fault(value, of, where)
            case Name(name) if name in self.types:
                return self.fault(value, self.types[name], where)
            case Name(name):
                return "" if _is_primitive(value, name) else where
            case Enum(names):
                return "" if value in names else where
        parts = _parts(value, expected, where)
        if parts is None:
            return where
        return next(filter(None, (self.fault(*part) for part in parts)), "")


def load(name: str) -> Interface:
    """The interface whose text is package data."""
    return parse(resources.files(__package__).joinpath(f"{name}.varlink").read_text("utf-8"))


def parse(text: str) -> Interface:
    """The interface that `text` describes; ValueError if it is none."""
    return _Parser(text).interface()


_NOTHING = Enum(())


def _parts(value: object, whole: Type, where: str) -> list[tuple[Any, Type, str]] | None:
    """What `value` consists of, each with its expected type and path; None if it is no `whole`."""
    match whole, value:
        case List(of), list():
            return [(item, of, f"{where}[{index}]") for index, item in enumerate(value)]
        case Dictionary(of), dict():
            return [(item, of, f"{where}.{key}") for key, item in value.items()]
        case Struct(fields), dict():
            prefix = f"{where}." if where else ""
            unknown = [key for key in value if key not in fields]
            return [(None, _NOTHING, f"{prefix}{key}") for key in unknown] + [
                (value.get(key), kind, f"{prefix}{key}") for key, kind in fields.items()
            ]
    return None


def _is_primitive(value: object, name: str) -> bool:
    # bool is an int to Python, but not to varlink.
    return isinstance(value, _PRIMITIVES[name]) and (
        not isinstance(value, bool) or bool in _PRIMITIVES[name]
    )


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = [token for blank, token in _TOKENS.findall(text) if not blank]
        if _TOKENS.sub("", text):
            raise ValueError(f"not varlink: {_TOKENS.sub('', text)[:20]!r}")

    def interface(self) -> Interface:
        self._expect("interface")
        name = self._take()
        types: dict[str, Type] = {}
        methods: dict[str, Method] = {}
        errors: dict[str, Type] = {}
        while self._tokens:
            match self._take(), self._take():
                case "type", defined:
                    types[defined] = self._type()
                case "error", defined:
                    errors[defined] = self._type()
                case "method", defined:
                    takes = self._type()
                    self._expect("->")
                    methods[defined] = Method(takes, self._type())
                case keyword, _:
                    raise ValueError(f"not varlink: {keyword!r}")
        return Interface(name, self._text, types, methods, errors)

    def _type(self) -> Type:
        match self._take():
            case "?":
                return Optional(self._type())
            case "[]":
                return List(self._type())
            case "[string]":
                return Dictionary(self._type())
            case "(":
                return self._fields()
            case str(name):
                return Name(name)

    def _fields(self) -> Type:
        fields: dict[str, Type] = {}
        names: list[str] = []
        while (name := self._take()) != ")":
            names.append(name)
            if self._tokens[:1] == [":"]:
                self._expect(":")
                fields[name] = self._type()
            if self._tokens[:1] == [","]:
                self._expect(",")
        return Enum(tuple(names)) if names and not fields else Struct(fields)

    def _expect(self, token: str) -> None:
        if (found := self._take()) != token:
            raise ValueError(f"not varlink: {found!r} where {token!r} belongs")

    def _take(self) -> str:
        if not self._tokens:
            raise ValueError("not varlink: the text ends too early")
        return self._tokens.pop(0)
