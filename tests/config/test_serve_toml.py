"""The file that is installed, and that stands in where there is none, shows the whole schema."""

import re
from pathlib import Path
from textwrap import fill

import pytest
import tomli

from serve_daemon.config.files import EMBEDDED_DEFAULT
from serve_daemon.config.keys import field_at, plain_keys
from serve_daemon.config.load import Sources, load
from serve_daemon.config.problems import KeyPath
from serve_daemon.config.schema import Config, Key
from serve_daemon.config.tuning import Model, Profile

FILE = Path(__file__).parents[2] / "etc" / "serve.toml"
TEXT = FILE.read_text()
# Prose begins with "# ", a word to editors with "#:", a key or a header at its default with "#".
ALL_KEYS = re.sub(r"(?m)^#(?=[^\s:])", "", TEXT)

KEYS: list[KeyPath] = [
    *plain_keys(),
    *(("models", "smollm2", key) for key in Model.model_fields),
    ("profiles", "example", "extends"),
    *(("keys", "example", key) for key in Key.model_fields),
]


def test_the_embedded_default_is_the_installed_file() -> None:
    """There is one such file, whose home is etc/."""
    assert EMBEDDED_DEFAULT.read_text() == TEXT


def test_it_serves_smollm2_on_loopback() -> None:
    """What a machine without a configuration does."""
    loaded = load(Sources())
    assert list(loaded.models) == ["smollm2"]
    assert loaded.models["smollm2"].aliases == ["default"]
    assert loaded.config.server.listen == ["127.0.0.1:8000"]


def test_all_else_stands_at_its_default() -> None:
    """Only the model is set, with the engine that is fast on a CPU."""
    config = load(Sources()).config
    assert config.model_copy(update={"models": {}}) == Config()
    assert config.models["smollm2"].model_fields_set == {"source", "aliases", "engine"}


@pytest.mark.parametrize("path", KEYS, ids=".".join)
def test_a_key_is_shown_below_its_description(path: KeyPath) -> None:
    """The description is the schema's, wrapped to the width of the file."""
    field = field_at(path)
    assert field is not None
    description = fill(field.description or "", 100, initial_indent="# ", subsequent_indent="# ")
    shown = rf"^{re.escape(description)}\n#?{path[-1]} = "
    assert re.search(shown, TEXT, re.MULTILINE), f"expected in {FILE}:\n{description}\n{path[-1]} ="


def test_every_key_is_shown_in_its_table() -> None:
    """Not one is missing, and none is shown that does not exist."""
    tables = tomli.loads(ALL_KEYS)
    shown = {(name, key) for name in tables for key in tables[name]}
    named = {("models", "smollm2"), ("profiles", "example"), ("keys", "example")}
    assert shown == {*plain_keys(), *named}
    assert set(tables["keys"]["example"]) == set(Key.model_fields)
    assert set(tables["models"]["smollm2"]) == set(Model.model_fields)
    assert set(tables["profiles"]["example"]) == set(Profile.model_fields) - set(Model.model_fields)


def test_what_is_shown_is_the_default() -> None:
    """With every comment sign removed, the same holds as before."""
    shown = load(Sources(text=ALL_KEYS))
    default = load(Sources())
    assert shown.models == default.models
    assert shown.config.model_copy(update={"profiles": {}, "keys": {}}) == default.config
    # There is no key without a hash; this one is nobody's.
    assert shown.config.keys["example"] == Key(hash=f"sha256:{'0' * 64}")
    assert shown.config.profiles["example"] == Profile()


def test_the_examples_of_the_introduction_load() -> None:
    """Each indented part of a comment is a configuration."""
    example = "\n".join(re.findall(r"(?m)^# {5}(.*)$", TEXT))
    introduction, _, profiled = example.partition("\n[profiles")
    assert list(load(Sources(text=introduction)).models) == ["qwen"]
    model = load(Sources(text=f"[profiles{profiled}")).models["qwen"]
    assert (model.dtype, model.queue_timeout, model.max_requests) == ("float32", 1800, 4)


def test_lines_fit_a_terminal() -> None:
    """100 columns, as everything else here."""
    assert max(len(line) for line in TEXT.splitlines()) <= 100
