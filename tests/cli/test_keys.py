"""Keys are made without a daemon."""

from pathlib import Path

import pytest
import tomli
from click.testing import CliRunner

from serve_daemon.cli.servectl import main
from serve_daemon.config.api_keys import hash_of
from serve_daemon.config.load import Sources, load


@pytest.mark.parametrize("name", ["laptop", "a.b", "team/1"])
def test_a_new_key_comes_with_the_lines_that_let_it_in(name: str, tmp_path: Path) -> None:
    """The key first, and once; the rest can be put into the file as it is."""
    result = CliRunner().invoke(main, ["key", "new", name])
    assert result.exit_code == 0
    key, _, lines = result.stdout.partition("\n")
    assert key not in lines
    assert tomli.loads(lines) == {"keys": {name: {"hash": hash_of(key)}}}
    (tmp_path / "serve.toml").write_text(f"[models.m]\n{lines}")
    (grant,) = load(Sources(main=tmp_path / "serve.toml")).access.grants
    assert grant.name == name


@pytest.mark.parametrize("name", ["", "two words", "a\tb"])
def test_a_name_that_no_table_can_have_is_refused(name: str) -> None:
    """Before a key is drawn."""
    result = CliRunner().invoke(main, ["key", "new", name])
    assert result.exit_code == 2
    assert "sk-" not in result.output
