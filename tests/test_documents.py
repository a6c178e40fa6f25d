"""What the documents name exists: files, commands, sections of the Makefile."""

import re

import pytest
from click import Group

import source
from serve_daemon.cli.servectl import main as servectl

DOCUMENTS = sorted(
    name
    for name in source.tracked_texts()
    if name.endswith((".md", ".scd", "README", "run", "Makefile", ".service", ".socket"))
)
FOLDERS = ("packaging", "etc", "man", "tests", "benchmarks", "daemon", "completions")
# A path of the repository, not of the file system, and without placeholders.
REPOSITORY_PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w")
PACKAGE_PATH = re.compile(r"`((?:\w+/)*\w+\.(?:py|varlink))`|`(\w+/)`")


def read(name: str) -> str:
    return (source.ROOT / name).read_text()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_a_document_names_exist(name: str) -> None:
    """A path that begins with a folder of the repository is one in the repository."""
    named = set(REPOSITORY_PATH.findall(read(name)))
    assert {each for each in named if not (source.ROOT / each).exists()} == set()


def test_links_lead_somewhere() -> None:
    """Those within the repository."""
    for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        links = [each for each in re.findall(r"\]\(([^)]+)\)", read(name)) if "://" not in each]
        assert [each for each in links if not (source.ROOT / each).exists()] == []


def test_the_architecture_names_modules_that_exist() -> None:
    """And every package of ours is told of."""
    text = read("ARCHITECTURE.md")
    named = {first or second for first, second in PACKAGE_PATH.findall(text)}
    assert named
    missing = {
        each
        for each in named
        if not (source.PACKAGE / each).exists() and not list(source.PACKAGE.rglob(each))
    }
    assert missing == set()
    packages = {each.name for each in source.PACKAGE.iterdir() if (each / "__init__.py").exists()}
    assert {each for each in packages if f"`{each}/`" not in text} == set()


def test_make_targets_that_are_named_exist() -> None:
    """In the documents and in what decides about a change; each says what it is for."""
    makefile = read("Makefile")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    named = {
        target
        for name in ("README.md", "ARCHITECTURE.md", ".ci/run", "Makefile")
        for target in re.findall(r"(?m)(?:^ *|`)make ([a-z][\w-]*)", read(name))
    }
    assert {"serve", "test"} <= named
    assert named - targets == set()
    described = set(re.findall(r"^([\w-]+):.*##", makefile, re.MULTILINE))
    assert targets - described - {"clean"} == set()


def test_commands_of_servectl_that_are_named_exist() -> None:
    """As a reader would type them."""
    assert isinstance(servectl, Group)
    named = {
        command
        for name in ("README.md", "ARCHITECTURE.md")
        for command in re.findall(r"(?m)(?:^ *|`| {5,}|/)servectl ([a-z][\w-]*)", read(name))
    }
    assert {"status", "reload"} <= named
    assert named - set(servectl.commands) == set()
