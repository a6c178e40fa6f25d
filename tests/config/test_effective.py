"""The configuration as it holds."""

import tomli_w

from config.loading import loaded
from serve_daemon.config.effective import effective
from serve_daemon.config.load import Sources, load
from serve_daemon.config.plan import Action, plan
from serve_daemon.config.schema import Config
from serve_daemon.config.tables import Table
from serve_daemon.config.tuning import Model, Profile

TEXT = """
server.max_body_size = "3MiB"
log.level = "debug"
[profiles.base]
threads = 3
[profiles.fast]
extends = "base"
dtype = "float32"
[models."org/name"]
profile = "fast"
kv_cache_memory = "1GiB"
aliases = ["default"]
[models.plain]
"""


def test_every_key_of_every_table_is_there() -> None:
    """Nobody has to know defaults."""
    tree = effective(loaded(TEXT))
    plain = {name: table for name, table in Config() if isinstance(table, Table)}
    assert set(tree) == {*plain, "keys", "profiles", "models"}
    for name, table in plain.items():
        assert set(tree[name]) == set(type(table).model_fields)
    assert all(set(table) == set(Profile.model_fields) for table in tree["profiles"].values())
    assert all(set(table) == set(Model.model_fields) for table in tree["models"].values())


def test_profiles_are_applied() -> None:
    """What holds is shown, not what is written."""
    tree = effective(loaded(TEXT))
    assert tree["models"]["org/name"]["threads"] == 3
    assert tree["models"]["org/name"]["source"] == "org/name"
    assert tree["profiles"]["fast"]["threads"] == 3


def test_what_is_shown_loads_to_the_same() -> None:
    """As TOML, it is a configuration that changes nothing."""
    before = loaded(TEXT)
    after = load(Sources(text=tomli_w.dumps(effective(before))))
    assert after.models == before.models
    assert effective(after) == effective(before)
    assert {change.action for change in plan(before, after).changes()} == {Action.KEEP}
