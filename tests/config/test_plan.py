"""What a change of the configuration does."""

from pathlib import Path

import pytest
from msgspec import structs

from config.loading import loaded
from serve_daemon.config.access import Access
from serve_daemon.config.certificate import Tls
from serve_daemon.config.keys import effect_of
from serve_daemon.config.plan import Action, Change, plan
from serve_daemon.config.schema import Config
from serve_daemon.config.tables import Effect, Reader, Table
from serve_daemon.config.tuning import Model

KEEP: tuple[Action, list[str]] = (Action.KEEP, [])

# Before, after, and what becomes of model m.
MODELS = [
    ("[models.m]", "[models.m]", KEEP),
    ("[models.m]", "# a comment\n[models]\nm = {}", KEEP),
    ("[models.m]", "models.m.max_requests = 32", KEEP),
    ("[models.m]", "models.m.source = 'm'", KEEP),
    ("[models.m]", "models.m.aliases = ['x']", (Action.UPDATE, ["aliases"])),
    ("[models.m]", "models.m.threads = 1", (Action.UPDATE, ["threads"])),
    ("[models.m]", "models.m.max_requests = 8", (Action.REPLACE, ["max_requests"])),
    (
        "[models.m]",
        "[models.m]\nthreads = 1\nmax_context = 8",
        (Action.REPLACE, ["max_context", "threads"]),
    ),
    ("", "[models.m]", (Action.START, [])),
    ("[models.m]", "", (Action.STOP, [])),
    (
        "profiles.p.dtype = 'float32'\nmodels.m.profile = 'p'",
        "profiles.p.dtype = 'bfloat16'\nmodels.m.profile = 'p'",
        (Action.REPLACE, ["dtype"]),
    ),
    (
        "profiles.b.threads = 1\nprofiles.p.extends = 'b'\nmodels.m.profile = 'p'",
        "profiles.b.threads = 2\nprofiles.p.extends = 'b'\nmodels.m.profile = 'p'",
        (Action.UPDATE, ["threads"]),
    ),
    (
        "profiles.p.dtype = 'float32'\nmodels.m.profile = 'p'",
        "profiles.q.dtype = 'float32'\nmodels.m.profile = 'q'",
        (Action.UPDATE, ["profile"]),
    ),
    (
        "profiles.p.dtype = 'float32'\nmodels.m.profile = 'p'",
        "[models.m]\nprofile = 'p'\ndtype = 'float32'\n[profiles.p]",
        KEEP,
    ),
    ("profiles.p.dtype = 'float32'\n[models.m]", "[models.m]", KEEP),
    ("[models.m]", "engine.python = '/x'\n[models.m]", (Action.REPLACE, ["engine.python"])),
    (
        "[models.m]",
        "engine.python = '/x'\n[models.m]\nthreads = 1",
        (Action.REPLACE, ["threads", "engine.python"]),
    ),
    ("[models.m]", "server.listen = ['a:1']\nlog.format = 'json'\n[models.m]", KEEP),
]


@pytest.mark.parametrize(("before", "after", "becomes"), MODELS)
def test_what_becomes_of_a_model(
    before: str, after: str, becomes: tuple[Action, list[str]]
) -> None:
    """Judged by what holds for it in the end, wherever that is written."""
    (change,) = plan(loaded(before), loaded(after)).models.values()
    assert change == Change("models.m", *becomes)


@pytest.mark.parametrize(
    ("after", "gateway", "daemon"),
    [
        ("", KEEP, KEEP),
        ("server.body_timeout = 1", (Action.UPDATE, ["server.body_timeout"]), KEEP),
        ("server.listen = ['a:1']", (Action.REPLACE, ["server.listen"]), KEEP),
        (
            "server.max_connections = 1\nserver.drain_timeout = 1",
            (Action.REPLACE, ["server.drain_timeout", "server.max_connections"]),
            KEEP,
        ),
        ("log.level = 'debug'", KEEP, (Action.UPDATE, ["log.level"])),
        (
            "log.level = 'debug'\ncontrol.socket = '/x'",
            KEEP,
            (Action.RESTART, ["log.level", "control.socket"]),
        ),
        ("[models.m]\n[profiles.p]", KEEP, KEEP),
    ],
)
def test_what_becomes_of_gateway_and_daemon(
    after: str, gateway: tuple[Action, list[str]], daemon: tuple[Action, list[str]]
) -> None:
    """The strongest effect of the keys that differ decides."""
    found = plan(loaded(""), loaded(after))
    assert found.gateway == Change("gateway", *gateway)
    assert found.daemon == Change("daemon", *daemon)


def test_another_package_takes_a_new_gateway() -> None:
    """Its code is what the gateway runs; the file may be the same."""
    before = loaded("[models.m]")
    found = plan(before, structs.replace(before, installed="another"))
    assert found.gateway == Change("gateway", Action.REPLACE, ["package"])
    assert found.models["m"].action is found.daemon.action is Action.KEEP


def test_engines_are_replaced_where_the_path_leads_elsewhere(tmp_path: Path) -> None:
    """As a switch of the environment leaves it; what was read before still means the old one."""
    current = tmp_path / "current"
    current.symlink_to("old")
    text = f"engine.python = '{current}/bin/python'\n[models.m]"
    before = loaded(text)
    assert plan(before, loaded(text)).models["m"].action is Action.KEEP
    current.unlink()
    current.symlink_to("new")
    after = loaded(text)
    assert plan(before, after).models["m"] == Change("models.m", Action.REPLACE, ["engine.python"])
    interpreters = [each.config.engine.interpreter for each in (before, after)]
    assert interpreters == [f"{tmp_path}/old/bin/python", f"{tmp_path}/new/bin/python"]


def test_models_do_not_touch_each_other() -> None:
    """Each has its own change, and is left alone where nothing of its own has changed."""
    before = loaded("[models.kept]\n[models.changed]\n[models.removed]")
    after = loaded("[models.kept]\n[models.changed]\nmax_requests = 1\n[models.added]")
    actions = {name: change.action for name, change in plan(before, after).models.items()}
    assert actions == {
        "added": Action.START,
        "changed": Action.REPLACE,
        "kept": Action.KEEP,
        "removed": Action.STOP,
    }


def test_a_plan_tells_of_everything_that_there_is() -> None:
    """Models, then the gateway, then the daemon, also where they are kept."""
    changes = plan(loaded("[models.m]"), loaded("log.level = 'debug'\n[models.m]")).changes()
    assert [(change.subject, change.action) for change in changes] == [
        ("models.m", Action.KEEP),
        ("gateway", Action.KEEP),
        ("daemon", Action.UPDATE),
    ]


def test_every_key_says_what_its_change_takes_and_who_reads_it() -> None:
    """No key can be changed without the plan knowing."""
    for name, table in Config():
        if isinstance(table, Table):
            assert isinstance(table.reader, Reader), name
            effects = {effect_of(field) for field in type(table).model_fields.values()}
            # An engine or a gateway can be replaced, so no key of theirs needs the daemon to end.
            assert table.reader is Reader.DAEMON or Effect.RESTART not in effects
    assert Effect.RESTART not in {effect_of(field) for field in Model.model_fields.values()}


def test_a_renewed_certificate_needs_a_new_gateway() -> None:
    """Though no key of the file has changed: what counts is what the files of secrets hold."""
    old, new = (
        structs.replace(loaded(""), access=Access(tls=Tls(certificate, b"key")))
        for certificate in (b"old", b"new")
    )
    gateway = plan(old, new).gateway
    assert (gateway.action, gateway.keys) == (Action.REPLACE, ["server.tls_certificate"])
