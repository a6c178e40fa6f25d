"""The JSON Schema says of a file what the loader says, as far as it can."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from pydantic import ValidationError

from config.loading import problems_of
from manual.written import SCHEMA
from serve_daemon.config.json_schema import json_schema
from serve_daemon.config.keys import named_tables, plain_tables
from serve_daemon.config.load import Sources, load
from serve_daemon.config.tables import Table

ETC = Path(__file__).parents[2] / "etc" / "serve.toml"
CHECKER = Path(sys.executable).with_name("check-jsonschema")
HASH = f"sha256:{'0' * 64}"

GOOD = [
    "",
    "server.listen = ['0.0.0.0:80', '[::1]:8000', 'localhost:0', 'unix:/run/api.sock']",
    "server.max_body_size = '4MiB'",
    "server.max_body_size = '4 mb'",
    "server.max_body_size = '.5g'",
    "server.max_body_size = '1024'",
    "server.max_body_size = 1024",
    "server.body_timeout = 3",
    "server.body_timeout = 2.5",
    "server.tls_min_version = '1.2'",
    "server.cors_origins = ['*', 'https://chat.example:8443', 'null']",
    "responses = {store = false, retention = 60}",
    "metrics = {path = '/a/b.c', listen = ['127.0.0.1:9000']}",
    "ui.enabled = true",
    "log = {level = 'debug', format = 'json'}",
    "control.socket = '/run/x.sock'",
    "engine.memory_limit = 0",
    f"keys.a = {{hash = '{HASH}', models = ['m']}}\nmodels.m.source = 'a/b'",
    "[models.'Qwen/Qwen3-8B']",
    "[models.m]\nsource = 'a/b'\naliases = ['x']\nmemory_max = '1.5GiB'\ncpu_weight = 10000",
    "[models.m]\nsource = 'a/b'\ndevice = ['cuda:0', 'cuda:1']\nreplicas = 2",
    "[models.m]\nsource = 'a/b'\nuse_cuda_graph = false",
    "[models.m]\nsource = 'a/b'\nuse_async_batching = 'auto'",
    "[models.m]\nsource = 'a/b'\nprofile = 'p'\n[profiles.p]\nextends = 'q'\n[profiles.q]",
]
BAD = [
    "serve.listen = []",
    "server.listn = ['127.0.0.1:80']",
    "server = 1",
    "server.listen = []",
    "server.listen = '127.0.0.1:8000'",
    "server.listen = ['8000']",
    "server.listen = ['unix:run/api.sock']",
    "server.max_body_size = 0",
    "server.max_body_size = 1.5",
    "server.max_body_size = '4XB'",
    "server.max_body_size = '2,5GiB'",
    "server.max_body_size = '1.5.3GiB'",
    "server.max_body_size = '4MiB or so'",
    "server.max_body_size = '-4MiB'",
    "server.max_connections = '7'",
    "server.max_connections = 0",
    "server.max_connections = 2147483648",
    "server.body_timeout = 0",
    "server.body_timeout = 2026-01-01",
    "server.tls_key = 'a b'",
    "server.tls_min_version = '1.1'",
    "server.cors_origins = ['chat.example']",
    "metrics.path = 'metrics'",
    "log.level = 'loud'",
    "log.prompts = 1",
    "control.socket = 'x.sock'",
    "keys.a.hash = 'sha256:12'",
    "[keys.'a b']",
    "[models.'']",
    "[models.m]\nsource = 'a/b'\naliases = ['']",
    "[models.m]\nsource = 'a/b'\ndevice = 'gpu'",
    "[models.m]\nsource = 'a/b'\ndevice = ['cuda:0', 1]",
    "[models.m]\nsource = 'a/b'\nengine = 'fast'",
    "[models.m]\nsource = 'a/b'\nuse_cuda_graph = 'yes'",
    "[models.m]\nsource = 'a/b'\nhang_timeout = 2.9",
    "[models.m]\nsource = 'a/b'\ncpu_weight = 10001",
    "[models.m]\nsource = 'a/b'\ndefault_compile_level = 4",
    "[models.m]\nsource = 'a/b'\nextends = 'p'",
    "[profiles.p]\nsource = 'a/b'",
]
# What takes a look at more than one value, or at more of it than a pattern can say.
ONLY_THE_LOADER = [
    "server.listen = ['127.0.0.1:65536']",
    "server.max_body_size = '9999999EiB'",
    "server.max_connections = 7.0",  # JSON knows no other 7
    "server.body_timeout = inf",
    "[models.m]\nsource = 'a/b'\nprofile = 'absent'",
    "[models.a]\naliases = ['b']\n[models.b]",
    "keys.a.models = []",
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The texts of all tables that a checker of others refuses by the schema."""
    folder = tmp_path_factory.mktemp("files")
    texts = {}
    for number, text in enumerate([*GOOD, *BAD, *ONLY_THE_LOADER]):
        file = folder / f"{number}.toml"
        file.write_text(text)
        texts[str(file)] = text
    report = json.loads(checked("--output-format", "JSON", *texts).stdout)
    assert report["parse_errors"] == []
    return {texts[error["filename"]] for error in report["errors"]}


def checked(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What check-jsonschema says of files."""
    command = [CHECKER, "--no-cache", "--schemafile", SCHEMA, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", GOOD)
def test_what_loads_fits_the_schema(text: str, refused: set[str]) -> None:
    """No editor marks a good file."""
    load(Sources(text=text))
    assert text not in refused


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_with_a_key_alone_is_refused_by_both(text: str, refused: set[str]) -> None:
    """Its name, its type, its limits, its form."""
    assert problems_of(Sources(text=text))
    assert text in refused


@pytest.mark.parametrize("text", ONLY_THE_LOADER)
def test_what_the_schema_cannot_say_the_loader_does(text: str, refused: set[str]) -> None:
    """It's known of each, so that nobody takes the schema for the whole truth."""
    assert problems_of(Sources(text=text))
    assert text not in refused


def test_the_installed_file_fits_the_schema() -> None:
    """As it is, and with every key that it shows; for each of them the schema has a description."""
    ran = checked(ETC)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout


def test_every_key_is_described_with_its_default() -> None:
    """What an editor shows beside it."""
    keys = dict(_keys("", json_schema()))
    assert len(keys) > 50
    assert [name for name, key in keys.items() if not {"description", "default"} <= set(key)] == []


VALUES: list[Any] = [
    *(True, False, 0, 1, 2, 3, 4, 100, 10001, -1, 2**31 - 1, 2**31, 2**63 - 1, 2**63),
    *(
        0.5,
        2.5,
        -0.5,
        1e9,
        "",
        " ",
        "0",
        "7",
        "-1",
        "auto",
        "on",
        "true",
        "none",
        "x",
        "x y",
        "a/b",
    ),
    *(
        "*",
        ".",
        "/",
        "/x",
        "/x/y.z",
        "x.pem",
        "/x y",
        "unix:/x",
        "unix:x",
        "http://x",
        "http://x/y",
    ),
    *(
        "127.0.0.1:80",
        "[::1]:80",
        ":80",
        "x:y",
        "x:123456",
        "cpu",
        "cuda",
        "cuda:1",
        "cuda:x",
        "gpu",
    ),
    *(
        "1B",
        "1b",
        "4MiB",
        "4 mb",
        "4 MiB ",
        ".5g",
        "1.5GiB",
        "1,5GiB",
        "1e3",
        "4XB",
        "4MiBx",
        "MiB",
    ),
    *("1.2", "1.3", "debug", "json", "compiled", "bfloat16", "bnb-4bit", "keep", "int8", "dummy"),
    *(HASH, HASH[:-1], HASH.upper(), "line\nline", "naïve", "\t"),
    *([], [""], ["x"], ["127.0.0.1:80"], ["*"], ["cpu"], ["cuda:0", "cuda:1"], [1], [["x"]], {}),
]
TABLES = {**plain_tables(), **named_tables()}


@pytest.mark.parametrize(
    ("table", "key"), [(table, key) for table in TABLES for key in TABLES[table].model_fields]
)
def test_schema_and_loader_take_the_same_values(table: str, key: str) -> None:
    """For each key, of many values of every kind."""
    schema = json_schema()["properties"][table]
    properties = schema.get("properties") or schema["additionalProperties"]["properties"]
    validator = Draft7Validator(properties[key])
    by_loader = [_takes(TABLES[table], {key: value}) for value in VALUES]
    assert True in by_loader
    assert False in by_loader
    by_schema = [validator.is_valid(value) for value in VALUES]
    assert [
        (value, loads)
        for value, loads, fits in zip(VALUES, by_loader, by_schema, strict=True)
        if loads != fits and value not in KNOWN
    ] == []


# JSON has one kind of number, and a pattern can't tell a name from that of a directory.
KNOWN = (1e9, ".")


def _takes(table: type[Table], values: dict[str, Any]) -> bool:
    try:
        table.model_validate(values)
    except ValidationError:
        return False
    return True


def _keys(above: str, schema: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    tables = schema.get("properties")
    if not isinstance(tables, dict):
        inner = schema.get("additionalProperties")
        if isinstance(inner, dict):
            yield from _keys(f"{above}.NAME", inner)
        elif above:
            yield above, schema
        return
    for name, each in tables.items():
        yield from _keys(f"{above}.{name}", each)


def test_the_file_is_up_to_date() -> None:
    """`make manual` writes it."""
    assert json.loads(SCHEMA.read_text("utf-8")) == json_schema()
