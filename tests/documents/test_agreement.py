"""Every command, option and key is told of wherever one looks for it, and nothing else is.

What is missing, or is too much, is named. Of keys, what is said of each is compared beside their
schema (tests/config).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import click
import pytest
import tomli
from click.testing import CliRunner

import source
from documents import pages
from documents.programs import (
    COMMANDS,
    GROUPS,
    PROGRAMS,
    arguments,
    names,
    of_program,
    offered,
    options,
)
from serve_daemon.cli import connection
from serve_daemon.cli.daemon import EXIT_CONFIG
from serve_daemon.config.json_schema import json_schema
from serve_daemon.config.keys import named_tables, plain_keys
from serve_daemon.config.schema import Config
from serve_daemon.config.tuning import Tuning
from serve_daemon.supervisor.exits import Result

SERVECTL = pages.sections("servectl.1")
SERVE_DAEMON = pages.sections("serve-daemon.8")
# The synopsis of a command, above what it does: *config get* _KEY_ [*--json*]
SYNOPSES = dict(re.findall(r"(?m)^\*([a-z][a-z -]*)\*(.*)\n\t", SERVECTL["COMMANDS"]))
OPTION = re.compile(r"\*(--?[\w-]+)\*")
OPTION_WITH_VALUE = re.compile(r"\[?\*--?[\w-]+\*(?: _\w+_(?:[=|]_\w+_)*)?\]?(?:\.\.\.)?")


def differing(told: Iterable[Any], known: Iterable[Any]) -> dict[str, list[Any]]:
    """What the code knows and nobody tells of, and the other way round; empty if none is."""
    found = {"missing": set(known) - set(told), "too much": set(told) - set(known)}
    return {what: sorted(each) for what, each in found.items() if each}


# ---------------------------------------------------------------- commands and options


def test_the_manual_has_every_command() -> None:
    """A command without a section, and a section without a command."""
    assert differing(SYNOPSES, COMMANDS) == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_synopsis_has_every_option(name: str) -> None:
    """By one of its names at least; and no option that the command doesn't know."""
    shown = set(OPTION.findall(SYNOPSES.get(name, "")))
    missing = [each.opts for each in options(COMMANDS[name]) if not shown & set(each.opts)]
    assert (missing, shown - names(COMMANDS[name])) == ([], set())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_synopsis_has_every_argument(name: str) -> None:
    """In brackets where one can do without."""
    rest = OPTION_WITH_VALUE.sub("", SYNOPSES.get(name, ""))
    shown = [not each.startswith("[") for each in re.findall(r"\S*_[A-Z]\S*", rest)]
    assert shown == [each.required for each in arguments(COMMANDS[name])]


def test_the_manual_explains_every_option_of_commands() -> None:
    """Once for all commands, with all of its names."""
    explained = {tuple(sorted(names)) for names in pages.terms(SERVECTL["OPTIONS OF COMMANDS"])}
    known = {tuple(sorted(each.opts)) for one in COMMANDS.values() for each in options(one)}
    assert differing(explained, known) == {}


@pytest.mark.parametrize(
    ("page", "program"), [("servectl.1", "servectl"), ("serve-daemon.8", "serve-daemon")]
)
def test_the_manual_explains_every_option_of_a_program(page: str, program: str) -> None:
    """Also those that click adds; and which variable of the environment is one."""
    parts = pages.sections(page)
    explained = {name for names in pages.terms(parts["OPTIONS"]) for name in names}
    assert {each for each in explained if each.startswith("-")} == of_program(PROGRAMS[program])
    every = [PROGRAMS[program], *(COMMANDS.values() if program == "servectl" else ())]
    variables = {str(each.envvar) for one in every for each in options(one) if each.envvar}
    assert variables <= {name for names in pages.terms(parts["ENVIRONMENT"]) for name in names}


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_help_says_what_each_option_is_for(name: str) -> None:
    """A command is not hidden, says in a sentence what it does, and so does each option."""
    command = (COMMANDS | GROUPS)[name]
    ran = CliRunner().invoke(PROGRAMS["servectl"], [*name.split(), "--help"])
    assert ran.exit_code == 0
    assert not command.hidden
    assert command.get_short_help_str(200).endswith((".", "?"))
    assert [each.opts for each in options(command) if not each.help or each.hidden] == []
    assert [each for each in names(command) if each not in ran.output] == []


def test_the_readme_lists_every_command() -> None:
    """A line may have several: `servectl config get | set`."""
    (block,) = re.findall(r"(?ms)^## Steer it\n(.*?)^\S.*?varlink", _readme())
    listed = set()
    for line in re.findall(r"servectl ([a-z][\w-]*(?: (?:\| )?[a-z][\w-]*)*)", block):
        first, *others = line.replace("|", " ").split()
        listed |= {f"{first} {each}" for each in others} if first in GROUPS else {first, *others}
    assert differing(listed, COMMANDS) == {}


def _readme() -> str:
    return (source.ROOT / "README.md").read_text("utf-8")


# ---------------------------------------------------------------- completions


def test_completions_offer_every_command() -> None:
    """And in a group, those of the group."""
    assert offered("servectl", [], "") == {name.split()[0] for name in COMMANDS}
    for group in GROUPS:
        below = {
            name.removeprefix(f"{group} ") for name in COMMANDS if name.startswith(f"{group} ")
        }
        assert offered("servectl", group.split(), "") == below


@pytest.mark.parametrize("name", COMMANDS)
def test_completions_offer_every_option(name: str) -> None:
    """Of the command, once one types the dashes."""
    long = {each for each in names(COMMANDS[name]) if each.startswith("--")}
    assert differing(offered("servectl", name.split(), "--"), long | {"--help"}) == {}


def test_completions_of_the_daemon_offer_every_option() -> None:
    """That has no commands."""
    long = {each for each in of_program(PROGRAMS["serve-daemon"]) if each.startswith("--")}
    assert offered("serve-daemon", [], "--") == long


# ---------------------------------------------------------------- keys

Keys = set[tuple[str, str]]  # table, key


def schema_keys() -> Keys:
    """Those that the code knows; a name that is chosen is NAME."""
    plain = {(str(table), str(key)) for table, key in plain_keys()}
    named = {(each, key) for each, table in named_tables().items() for key in table.model_fields}
    return plain | named


def shown_keys(tables: dict[str, Any]) -> Keys:
    """Those of a file, with one table of each kind whose name is chosen."""
    named = {name: next(iter(tables[name].values())) for name in named_tables()}
    return {(name, key) for name, table in (tables | named).items() for key in table}


def test_the_json_schema_has_every_key() -> None:
    """And every table."""
    tables = json_schema()["properties"]
    assert differing(tables, Config.model_fields) == {}
    inner = {name: each.get("properties") for name, each in tables.items()}
    named = {name: tables[name]["additionalProperties"]["properties"] for name in named_tables()}
    assert {
        (name, key) for name, table in (inner | named).items() for key in table
    } == schema_keys()


def test_the_installed_file_shows_every_key() -> None:
    """Those of a profile it shows with the model."""
    text = (source.ROOT / "etc" / "serve.toml").read_text("utf-8")
    shown = shown_keys(tomli.loads(re.sub(r"(?m)^#(?=[^\s:])", "", text)))
    tuning = {("profiles", key) for key in Tuning.model_fields}
    assert differing(shown | tuning, schema_keys()) == {}


def test_the_manual_has_every_key() -> None:
    """Those of models and profiles that are alike are told once."""
    assert differing(_manual_keys(), schema_keys()) == {}


def _manual_keys() -> Iterator[tuple[str, str]]:
    for heading, text in pages.sections("serve.toml.5").items():
        terms = [name for names in pages.terms(text) for name in names]
        told = [name.removesuffix("=") for name in terms if name.endswith("=")]
        if heading == "OPTIMIZATIONS":
            yield from ((table, key) for table in ("models", "profiles") for key in told)
        elif heading.startswith("["):
            yield from ((heading.strip("[]").removesuffix(".NAME"), key) for key in told)


def test_the_manual_names_every_table() -> None:
    """In its introduction, too."""
    text = pages.sections("serve.toml.5")["DESCRIPTION"]
    named = set(re.findall(r"\*\[(\w+)(?:\.NAME)?\]\*", text))
    assert differing(named, Config.model_fields) == {}


# ---------------------------------------------------------------- what commands end with, and tell


def test_the_manual_has_every_exit_status() -> None:
    """And --help has those that a daemon brings about."""
    own = {value for name, value in vars(connection).items() if name.startswith("EXIT_")}
    told = {int(name) for (name,) in pages.terms(SERVECTL["EXIT STATUS"])}
    assert told == own | {0, click.UsageError.exit_code}
    shown = PROGRAMS["servectl"].help
    assert shown is not None
    in_help = {int(each) for each in re.findall(r"\b\d+\b", shown.partition("Exit status:")[2])}
    assert in_help == told - {connection.EXIT_INTERRUPTED}
    told = {int(name) for (name,) in pages.terms(SERVE_DAEMON["EXIT STATUS"])}
    assert told == {0, 1, click.UsageError.exit_code, EXIT_CONFIG}


def test_the_manual_explains_every_result() -> None:
    """What the end of a process is taken for."""
    explained = {name for names in pages.terms(SERVECTL["RESULTS"]) for name in names}
    assert differing(explained, Result) == {}
