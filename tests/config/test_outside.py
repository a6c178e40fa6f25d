"""The environment and --set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.loading import problems_of
from serve_daemon.config.keys import plain_keys
from serve_daemon.config.load import Loaded, Sources, load

FILE = """
[profiles.fast]
[models."Qwen/Qwen3-8B"]
[models.Small]
"""


def _with_environment(**environment: str) -> Loaded:
    return load(Sources(text=FILE, environment=environment))


def _with_set(*overrides: str) -> Loaded:
    return load(Sources(text=FILE, overrides=list(overrides)))


def _value(loaded: Loaded, path: str) -> Any:
    table, _, key = path.rpartition(".")
    if table.startswith("models."):
        return getattr(loaded.models[table.removeprefix("models.")], key)
    if table.startswith("profiles."):
        return getattr(loaded.config.profiles[table.removeprefix("profiles.")], key)
    return getattr(getattr(loaded.config, table), key)


VALUES = [
    ("server.listen", "0.0.0.0:80", ["0.0.0.0:80"]),
    ("server.listen", "0.0.0.0:80, unix:/run/x", ["0.0.0.0:80", "unix:/run/x"]),
    ("server.listen", '["0.0.0.0:80", "[::1]:80",]', ["0.0.0.0:80", "[::1]:80"]),
    ("server.max_body_size", "3MiB", 3 * 1024 * 1024),
    ("server.max_body_size", "1000", 1000),
    ("server.body_timeout", "5", 5.0),
    ("server.max_connections", " 7 ", 7),
    ("log.level", "debug", "debug"),
    ("control.watch", "false", False),
    ("control.watch", "no", False),
    ("control.socket", "/run/x=y", "/run/x=y"),
    ("engine.python", "/opt/python", "/opt/python"),
    ("profiles.fast.threads", "3", 3),
    ("models.Small.aliases", "", []),
    ("models.Small.aliases", "a,b", ["a", "b"]),
    ("models.Small.source", "org/name", "org/name"),
]


@pytest.mark.parametrize(("path", "text", "value"), VALUES)
def test_a_variable_sets_a_key(path: str, text: str, value: object) -> None:
    """A text is read as the key's type; a list is separated by commas, or written as in TOML."""
    variable = "SERVE_" + path.upper().replace(".", "__")
    assert _value(_with_environment(**{variable: text}), path) == value


@pytest.mark.parametrize(("path", "text", "value"), VALUES)
def test_an_option_sets_a_key(path: str, text: str, value: object) -> None:
    """--set reads values as the environment does."""
    assert _value(_with_set(f"{path}={text}"), path) == value


@pytest.mark.parametrize(
    "variable",
    [
        "SERVE_MODELS__QWEN_QWEN3_8B__THREADS",
        "SERVE_MODELS__QWEN/QWEN3-8B__THREADS",
        "serve_models__Qwen_qwen3_8B__threads",
    ],
)
def test_a_variable_names_a_model_as_a_shell_can(variable: str) -> None:
    """Case does not matter, and what a variable's name can't hold is an underscore."""
    environment = {variable.replace("/", "_").replace("-", "_"): "3"}
    assert _with_environment(**environment).models["Qwen/Qwen3-8B"].threads == 3


@pytest.mark.parametrize("variable", ["SERVECTL_SOCKET", "SERVE_HOME", "SERVER__LISTEN", "PATH"])
def test_variables_of_others_are_left_alone(variable: str) -> None:
    """Ours begin with SERVE_ and name a table and a key."""
    assert _with_environment(**{variable: "x"}).config == _with_set().config


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("SERVE_SERVER__LISSTEN", "sets no key, did you mean SERVE_SERVER__LISTEN?"),
        ("SERVE_MODELS__SMALL__DTIPE", "did you mean SERVE_MODELS__SMALL__DTYPE?"),
        (
            "SERVE_MODELS__OTHERS_THAT_ARE_NOT_THERE__X",
            "models, profiles and keys must stand in a file",
        ),
    ],
)
def test_a_variable_that_sets_nothing_is_refused(variable: str, said: str) -> None:
    """A misspelled variable must not be ignored silently."""
    (problem,) = problems_of(Sources(text=FILE, environment={variable: "1"}))
    assert problem.file == f"environment variable {variable}"
    assert problem.line == 0
    assert said in problem.message


def test_a_key_that_two_variables_set_is_refused() -> None:
    """They differ in case alone, so there is no order in which one could win."""
    environment = {"SERVE_LOG__LEVEL": "debug", "serve_log__level": "info"}
    (problem,) = problems_of(Sources(text=FILE, environment=environment))
    assert problem.render() == (
        "environment variable serve_log__level: log.level: is set by environment variable"
        " SERVE_LOG__LEVEL too, unset one of the two"
    )


def test_a_variable_that_could_mean_two_models_is_refused() -> None:
    """Both are named; a file can tell them apart."""
    text = "[models.a-b]\n[models.a_b]\n"
    (problem,) = problems_of(Sources(text=text, environment={"SERVE_MODELS__A_B__THREADS": "1"}))
    assert problem.message == "means models.a-b.threads and models.a_b.threads, set them in a file"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("server.listen", '--set: "server.listen" is not KEY=VALUE'),
        ("=1", '--set: "=1" is not KEY=VALUE'),
        ("a b=1", '--set: "a b=1" is not KEY=VALUE'),
        ("a=1\nb=2", "--set: a: unknown key"),
        ("server.lissten=1", "--set: server.lissten: unknown key, did you mean listen?"),
        ("server=1", '--set: server: "1" is a text, write a table'),
        ("server.max_connections=0", "--set: server.max_connections: 0 is too small, use at"),
        ("server.max_connections=x", '--set: server.max_connections: "x" is a text, write an int'),
        ("server.listen=[1", '--set: server.listen: "[1" is a text, write a list'),
        ('models."a/b".dtype=int', '--set: models."a/b".dtype: "int" is not known, use auto, bf'),
    ],
)
def test_an_option_that_can_not_be_used_is_a_problem(override: str, said: str) -> None:
    """It is told as any other problem, with --set as its place."""
    (problem,) = problems_of(Sources(text=FILE, overrides=[override]))
    assert problem.render().startswith(said[:80])


def test_the_last_option_of_a_key_holds() -> None:
    """As with any option that is given twice."""
    assert _with_set("log.level=debug", "log.level=error").config.log.level == "error"


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("cuda:1", ["cuda:1"]),
        ("cuda:0, cuda:1", ["cuda:0", "cuda:1"]),
        ('["cuda:0"]', ["cuda:0"]),
    ],
)
def test_one_device_or_a_list_of_them(text: str, devices: list[str]) -> None:
    """What has a comma or brackets is a list, where both are possible."""
    overrides = ["models.m.replicas=2", f"models.m.device={text}"]
    assert load(Sources(text="[models.m]", overrides=overrides)).models["m"].devices == devices


def test_an_option_may_add_a_model() -> None:
    """A model can be tried without touching a file."""
    assert _with_set('models."org/name".threads=2').models["org/name"].source == "org/name"


def test_precedence(write: Callable[..., Path]) -> None:
    """--set, then the environment, then drop-ins in the order of names, then the file."""
    main = write(
        "[models.m]\nmax_requests = 1\nmax_queue = 1\nthreads = 1\n"
        "max_context = 1\nstart_limit = 1",
        a="[models.m]\nmax_queue = 2\nthreads = 2\nmax_context = 2\nstart_limit = 2",
        b="[models.m]\nthreads = 3\nmax_context = 3\nstart_limit = 3",
    )
    environment = {"SERVE_MODELS__M__MAX_CONTEXT": "4", "SERVE_MODELS__M__START_LIMIT": "4"}
    overrides = ["models.m.start_limit=5"]
    sources = Sources(main=main, environment=environment, overrides=overrides)
    model = load(sources).models["m"]
    found = (model.max_requests, model.max_queue, model.threads, model.max_context)
    assert (*found, model.start_limit) == (1, 2, 3, 4, 5)


def test_every_key_has_a_variable() -> None:
    """Each key of the schema, set to its default by the environment, leaves all as it was."""
    config = load(Sources()).config
    values = {path: _value(load(Sources()), ".".join(map(str, path))) for path in plain_keys()}
    environment = {
        f"SERVE_{table}__{key}".upper(): ",".join(value) if isinstance(value, list) else str(value)
        for (table, key), value in values.items()
    }
    assert len(environment) > 10
    assert load(Sources(environment=environment)).config == config
