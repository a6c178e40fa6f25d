"""Command lines of transformers serve, and the files that do the same."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli
from click import Option
from click.testing import Result

import source
from serve_daemon.cli.connection import EXIT_FAILED, EXIT_REFUSED
from serve_daemon.cli.importing import translated
from serve_daemon.cli.peer_flags import FLAGS, MODEL_ARGUMENT
from serve_daemon.config.keys import field_at
from serve_daemon.config.load import Sources, load

Servectl = Callable[..., Result]


def imported(line: str) -> dict[str, Any]:
    found = translated(line, Path("/nowhere"))
    assert found.problems == ""
    load(Sources(text=found.toml))
    return tomli.loads(found.toml)


def notes(line: str) -> dict[str, str]:
    return {each.flag: each.why for each in translated(line, Path("/nowhere")).notes}


def test_the_table_has_the_flags_of_the_installed_version() -> None:
    """One that comes, goes or changes its kind is to be looked at."""
    from transformers.cli.transformers import app

    params = app.commands["serve"].params
    options = [each for each in params if each.param_type_name == "option"]
    arguments = [each.name for each in params if each.param_type_name == "argument"]
    theirs = {
        each.opts[0].removeprefix("--"): bool if each.secondary_opts else _kind(each)
        for each in options
    }
    assert theirs == {flag.name: flag.kind for flag in FLAGS}
    assert arguments == [MODEL_ARGUMENT]


def _kind(option: Option) -> type:
    return {"integer": int, "float": float}.get(option.type.name, str)


def test_every_flag_is_a_key_or_has_a_reason() -> None:
    """And the keys exist."""
    by_hand = {"continuous-batching", "compile", "model-timeout", "host", "port"}
    by_hand |= {"enable-cors", "log-level"}
    assert {flag.name for flag in FLAGS if not flag.key and not flag.why} == by_hand
    for flag in FLAGS:
        assert not (flag.key and flag.why), flag.name
        assert not flag.key or field_at(("models", "m", flag.key)) is not None, flag.name


def test_a_line_for_one_model() -> None:
    """It is served by the name that clients used."""
    line = (
        "transformers serve Qwen/Qwen3-8B --continuous-batching --dtype bfloat16 --device=cuda:0"
        " --trust-remote-code --quantization bnb-4bit --attn-implementation sdpa --host 0.0.0.0"
        " --port 9000 --enable-cors --log-level info --cb-max-batch-tokens 512"
        " --no-cb-use-cuda-graph"
    )
    assert notes(line) == {}
    assert imported(line) == {
        "server": {"listen": ["0.0.0.0:9000"], "cors_origins": ["*"]},
        "log": {"level": "info"},
        "models": {
            "Qwen/Qwen3-8B": {
                "source": "Qwen/Qwen3-8B",
                "engine": "continuous",
                "attn_implementation": "sdpa",
                "quantization": "bnb-4bit",
                "device": "cuda:0",
                "dtype": "bfloat16",
                "trust_remote_code": True,
                "max_batch_tokens": 512,
                "use_cuda_graph": False,
            }
        },
    }


@pytest.mark.parametrize(
    ("line", "tables"),
    [
        ("", {"profiles": {"transformers-serve": {"preload": False, "idle_timeout": 300.0}}}),
        (
            "--model-timeout -1",
            {"profiles": {"transformers-serve": {"preload": False, "idle_timeout": 0.0}}},
        ),
        ("a/b --compile", {"models": {"a/b": {"source": "a/b", "engine": "compiled"}}}),
        (
            "a/b --host ::1",
            {"server": {"listen": ["[::1]:8000"]}, "models": {"a/b": {"source": "a/b"}}},
        ),
        ("./m", {"models": {"./m": {"source": "/nowhere/m"}}}),
        ("a/b:x.Q4.gguf", {"models": {"a/b:x.Q4.gguf": {"source": "a/b:x.Q4.gguf"}}}),
        ("A=1 /opt/bin/transformers serve \\\n a/b", {"models": {"a/b": {"source": "a/b"}}}),
    ],
)
def test_what_a_line_means(line: str, tables: dict[str, Any]) -> None:
    """Defaults are left to the defaults."""
    assert imported(line) == tables


@pytest.mark.parametrize(
    ("line", "flag", "why"),
    [
        ("", "FORCE_MODEL", "profile = "),
        ("a/b --cb-num-blocks 9 --continuous-batching", "--cb-num-blocks", "kv_cache_memory"),
        ("a/b --cb-max-batch-tokens 9", "--cb-max-batch-tokens", "--continuous-batching"),
        ("a/b --no-continuous-batching", "--continuous-batching", "always"),
        ("a/b --compile --continuous-batching", "--compile", "no effect"),
        ("a/b --model-timeout 9", "--model-timeout", "ignored"),
        ("a/b --log-level critical", "--log-level", "critical"),
        ("a/b --reasoning on", "--reasoning", "enable_thinking"),
        ("a/b --default-seed 1", "--default-seed", "seed"),
    ],
)
def test_what_has_no_equivalent_is_named(line: str, flag: str, why: str) -> None:
    """With the reason, in the file as well."""
    assert why in notes(line)[flag]
    assert f"# {flag} " in translated(line, Path("/nowhere")).toml


def test_a_line_can_not_write_into_the_file() -> None:
    """It stands in a comment, whatever it holds."""
    assert set(imported("a/b\n--reasoning on\n")) == {"models"}


def test_the_command_prints_or_writes(servectl: Servectl, tmp_path: Path) -> None:
    """A file that is there stays."""
    given = ("import", "--from-transformers-serve", "a/b --default-seed 1")
    printed = servectl(*given).output
    assert tomli.loads(printed) == {"models": {"a/b": {"source": "a/b"}}}
    file = tmp_path / "new.toml"
    written = servectl(*given, "-o", str(file))
    assert "--default-seed is said by each request" in written.stderr
    assert file.read_text() == printed
    again = servectl(*given, "-o", str(file))
    assert (again.exit_code, "is there already" in again.output) == (EXIT_FAILED, True)
    document = json.loads(servectl(*given, "--json").output)
    assert document["toml"] == printed
    assert [each["flag"] for each in document["notes"]] == ["--default-seed"]


def test_what_can_not_be_used_is_told(servectl: Servectl) -> None:
    """A flag that nobody knows, a value that has no equivalent, a line that is none."""
    unknown = servectl("import", "--from-transformers-serve", "a/b --fast")
    assert (unknown.exit_code, "--fast is no flag" in unknown.output) == (2, True)
    value = servectl("import", "--from-transformers-serve", "a/b --device mps")
    assert value.exit_code == EXIT_REFUSED
    assert '"mps" is no device' in value.stderr
    assert servectl("import", "--from-transformers-serve", "a/b 'x").exit_code == 2
    assert servectl("import", "--from-transformers-serve", "a/b --port x").exit_code == 2


def test_the_guide_tells_of_every_flag_and_prints_what_the_command_does() -> None:
    """docs/from-transformers-serve.md."""
    guide = (source.ROOT / "docs/from-transformers-serve.md").read_text()
    assert {each.name for each in FLAGS if f"`--{each.name}" not in guide} == set()
    command, shown = re.findall(r'"(transformers serve [^"]*)"|```toml\n(.*?)```', guide, re.DOTALL)
    assert translated(command[0], Path("/nowhere")).toml.partition("\n\n")[2] == shown[1]
