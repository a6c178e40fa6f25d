"""Where each key of the effective configuration is said to come from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.loading import problems_of
from serve_daemon.config.load import Sources, load
from serve_daemon.config.origins import origins

TEXT = """\
[server]
listen = ["127.0.0.1:1"]

[profiles.base]
dtype = "float32"

[profiles.p]
extends = "base"
max_requests = 8

[models."a.b"]
source = "/x"
profile = "p"
"""


def test_the_place_that_wins_is_named(write: Callable[..., Path]) -> None:
    """A file's line, a variable, an option; of a model, that of its profile."""
    main = write(TEXT, later='[models."a.b"]\nmax_queue = 3\n')
    sources = Sources(
        main=main,
        environment={"SERVE_LOG__LEVEL": "debug"},
        overrides=["server.workers=2"],
    )
    found = origins(load(sources))
    assert found["server.listen"] == f"{main}:2:1"
    assert found["log.level"] == "environment variable SERVE_LOG__LEVEL"
    assert found["server.workers"] == "--set"
    assert found['models."a.b".max_requests'] == f"{main}:9:1"
    assert found['models."a.b".dtype'] == found["profiles.p.dtype"] == f"{main}:5:1"
    assert found['models."a.b".max_queue'] == f"{main}.d/later.toml:2:1"
    assert "control.watch" not in found
    assert 'models."a.b".queue_timeout' not in found


def test_a_drop_in_is_tried_before_it_is_there(write: Callable[..., Path]) -> None:
    """In the order of its name, as if it were."""
    main = write("", b="[log]\nlevel = 'error'\n")
    folder = main.with_name("serve.toml.d")
    for name, level in (("a", "error"), ("b", "debug"), ("c", "debug")):
        text_of = folder / f"{name}.toml"
        loaded = load(Sources(main=main, text="[log]\nlevel = 'debug'\n", text_of=text_of))
        assert loaded.config.log.level == level, name
    assert not (folder / "a.toml").exists()


@pytest.mark.parametrize("name", ["serve.toml.d/a.txt", "other/a.toml", "serve.toml.d/.a.toml"])
def test_only_what_would_be_read_can_be_tried(main: Path, name: str) -> None:
    """Anything else would judge a text that never holds."""
    main.write_text("")
    sources = Sources(main=main, text="", text_of=main.parent / name)
    (problem,) = problems_of(sources)
    assert "neither" in problem.message
