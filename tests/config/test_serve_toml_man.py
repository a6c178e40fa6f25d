"""serve.toml(5) tells of every key what the schema tells."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli
from pydantic import ByteSize, TypeAdapter
from pydantic.fields import FieldInfo

from serve_daemon.config.keys import effect_of, field_at, plain_keys
from serve_daemon.config.schema import Key
from serve_daemon.config.tables import Effect
from serve_daemon.config.tuning import Model, Profile, Tuning

PAGE = Path(__file__).parents[2] / "man" / "serve.toml.5.scd"
SECTIONS = dict(re.findall(r"(?ms)^# (.+?)\n(.*?)(?=^# |\Z)", PAGE.read_text()))

Entry = tuple[str, str, FieldInfo]  # section, key, field


def _entries() -> Iterator[Entry]:
    for path in plain_keys():
        field = field_at(path)
        assert field is not None
        yield f"[{path[0]}]", str(path[1]), field
    for section, fields in [
        ("[models.NAME]", Model.model_fields),
        ("[profiles.NAME]", Profile.model_fields),
        ("[keys.NAME]", Key.model_fields),
    ]:
        yield from ((section, key, fields[key]) for key in fields if key not in Tuning.model_fields)
    yield from (("OPTIMIZATIONS", key, field) for key, field in Tuning.model_fields.items())


ENTRIES = list(_entries())


def _told(section: str) -> dict[str, str]:
    """The text of each key of a section, in one line."""
    entries = re.findall(r"(?m)^\*(\w+)=\*\n((?:\t.*\n)+)", SECTIONS[section])
    return {key: " ".join(text.split()) for key, text in entries}


@pytest.mark.parametrize(
    ("section", "key", "field"), ENTRIES, ids=[f"{section} {key}" for section, key, _ in ENTRIES]
)
def test_a_key_is_told_as_the_schema_tells_it(section: str, key: str, field: FieldInfo) -> None:
    """Its description, its default, and what a change of it takes."""
    text = _told(section)[key]
    assert text.startswith(f"{field.description} Default: ")
    shown = re.search(r" Default: \*(.+?)\*; a change (.+)\.$", text)
    assert shown, text
    assert _read(shown[1], field) == field.default
    assert re.match(TAKES[effect_of(field)], shown[2])


TAKES = {
    Effect.UPDATE: "is live$",
    Effect.REPLACE: "replaces (the gateway|the engine|every engine)$",
    Effect.RESTART: "waits for a restart of the daemon$",
}


def _read(shown: str, field: FieldInfo) -> Any:
    value = tomli.loads(f"x = {shown}")["x"]
    return TypeAdapter(ByteSize).validate_python(value) if field.annotation is ByteSize else value


def test_no_key_is_told_that_does_not_exist() -> None:
    """What was removed from the schema is removed here."""
    told = {(section, key) for section in SECTIONS for key in _told(section)}
    assert told == {(section, key) for section, key, _ in ENTRIES}
