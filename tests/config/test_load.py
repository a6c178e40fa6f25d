"""Loading: what is wrong is told at its place, all of it at once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tomli
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from config.loading import loaded, problems_of
from serve_daemon.config.files import digests
from serve_daemon.config.load import Sources, load
from serve_daemon.config.problems import ConfigError

Write = Callable[..., Path]

# Text, and the problem as `line:column: key: message`; the message may go on.
PROBLEMS = [
    # syntax
    ("a = ", "1:5: invalid value, write texts in quotes"),
    ("[server\n", "1:8: expected ']' at the end of a table declaration, write [TABLE], names with"),
    ("listen = [1,\n2", "2:2: unclosed array, close it with ]"),
    ('[log]\nlevel = "info\n', "2:14: illegal character '\\n', close the quotes"),
    ("listen 'x'", "1:8: expected '=' after a key in a key/value pair, write KEY = VALUE"),
    ("a = 'x' 'y'", "1:9: expected newline or end of document after a statement, write one key a"),
    ("= 1", "1:1: invalid statement, write KEY = VALUE or [TABLE]"),
    # defined twice
    ("[log]\nlevel = 1\n  level = 2", "3:3: log.level: is already set in line 2, remove one of"),
    ("[log]\n[control]\n[log]", "3:2: log: is already set in line 1, remove one of the two"),
    ("log = {level = 1}\nlog.format = 2", "2:1: log: is already set in line 1, remove one of the"),
    ("log = {level = 1, level = 2}", "1:19: log.level: is already set in line 1, remove one"),
    ("log.level = 1\n[log]", "2:2: log: is already set in line 1, remove one of the two"),
    ("[log]\nlevel = 1\n[log.level]\n", "3:6: log.level: is already set in line 2, remove one"),
    # unknown keys
    ("[servre]", "1:2: servre: unknown key, did you mean server?"),
    ("x = 1", "1:1: x: unknown key, remove it or use one of server, responses, metrics, ui, log"),
    ("[log]\nlevels = 1", "2:1: log.levels: unknown key, did you mean level?"),
    ("log = {levels = 1}", "1:8: log.levels: unknown key, did you mean level?"),
    ("[models.a]\nextends = ''", "2:1: models.a.extends: unknown key, "),
    ("[models.qwen2.5]", "1:15: models.qwen2.5: unknown table; a name with dots needs quotes: [m"),
    # types and ranges
    ("server = 1", "1:10: server: 1 is an integer, write a table"),
    ("models = []", "1:10: models: [] is a list, write a table"),
    ("[models]\na = 'x'", '2:5: models.a: "x" is a text, write a table'),
    ("[[models]]", "1:3: models: [{}] is a list, write a table"),
    ('[models.""]', '1:9: models."": is empty, write a name'),
    ('[models."a b"]', '1:9: models."a b": holds a space or a character that can'),
    ('models.a.aliases = ["a\\u0007"]', "1:21: models.a.aliases: holds a space or a char"),
    ("models.a.attn_implementation = ''", "1:32: models.a.attn_implementation: is empty, write a"),
    ("[server]\nlisten = '0.0.0.0:1'", '2:10: server.listen: "0.0.0.0:1" is a text, write a list'),
    ("server.listen = []", "1:17: server.listen: is empty, write at least one item"),
    ("server.listen = ['a:1',\n 2]", "2:2: server.listen: 2 is an integer, write a text in quot"),
    ("server.listen = ['x']", '1:18: server.listen: "x" is no address, write HOST:PORT, [IPV6]'),
    ("server.max_connections = '7'", '1:26: server.max_connections: "7" is a text, write an in'),
    ("server.max_connections = 7.0", "1:26: server.max_connections: 7.0 is a number with a fr"),
    ("server.max_connections = true", "1:26: server.max_connections: true is a boolean, write"),
    ("server.max_connections = 0", "1:26: server.max_connections: 0 is too small, use at least 1"),
    ("models.a.hang_timeout = 2.9", "1:25: models.a.hang_timeout: 2.9 is too small, use at least"),
    ("server.max_connections = 2147483648", "1:26: server.max_connections: 2147483648 is too la"),
    ("server.max_body_size = '4XB'", '1:24: server.max_body_size: "4XB" is no size, write byt'),
    ("server.max_body_size = -1", "1:24: server.max_body_size: -1 is no size, write bytes as"),
    ("server.max_body_size = 0", "1:24: server.max_body_size: 0 is too small, use at least 1"),
    ("server.body_timeout = 0", "1:23: server.body_timeout: 0 is too small, use more than 0"),
    ("server.body_timeout = inf", "1:23: server.body_timeout: Infinity is not finite, write a"),
    ("server.body_timeout = nan", "1:23: server.body_timeout: NaN is not finite, write a numb"),
    ("server.body_timeout = 2026-01-01", '1:23: server.body_timeout: "2026-01-01" is a date or'),
    ("control.watch = 1", "1:17: control.watch: 1 is an integer, write true or false"),
    ("control.socket = 'x'", '1:18: control.socket: "x" does not fit, use: Absolute path of t'),
    ("log.level = 'loud'", '1:13: log.level: "loud" is not known, use debug, info, warning or err'),
    ("models.a.device = 'gpu'", '1:19: models.a.device: "gpu" is no device, use auto, cpu, cuda'),
    ("models.a.aliases = ['']", "1:21: models.a.aliases: is empty, write a name"),
    ("log.level = '" + "x" * 99 + "'", '1:13: log.level: "' + "x" * 56 + "... is not known"),
]


@pytest.mark.parametrize(("text", "rendered"), PROBLEMS)
def test_a_problem_is_told_at_its_place(main: Path, text: str, rendered: str) -> None:
    """File, line, column and key; the value, and what to write instead."""
    (problem,) = problems_of(Sources(main=main, text=text))
    assert problem.render().startswith(f"{main}:{rendered}"), problem.render()
    assert problem.text == text.split("\n")[problem.line - 1]


def test_problems_of_every_kind_are_told_at_once(write: Write) -> None:
    """Keys, values, rules, drop-ins, environment and options: one look is enough to repair all."""
    main = write(
        "[log]\nlevels = 1\nlevel = 2\n[models.a]\nprofile = 'b'\n[models.c]\ndevice = 'x'\n",
        more="[models.a]\naliases = ['c']\n[models.c]\nthreads = -1",
    )
    problems = problems_of(
        Sources(
            main=main,
            environment={"SERVE_SERVER__LISTEN": "x", "SERVE_SERVER__X": "1"},
            overrides=["server.max_connections=0", "x"],
        )
    )
    places = [(Path(problem.file).name, problem.line, problem.key) for problem in problems]
    assert places == [
        ("serve.toml", 2, "log.levels"),
        ("serve.toml", 3, "log.level"),
        ("serve.toml", 5, "models.a.profile"),
        ("serve.toml", 7, "models.c.device"),
        ("more.toml", 2, "models.a.aliases"),
        ("more.toml", 4, "models.c.threads"),
        ("environment variable SERVE_SERVER__LISTEN", 0, "server.listen"),
        ("--set", 0, "server.max_connections"),
        ("environment variable SERVE_SERVER__X", 0, ""),
        ("--set", 0, ""),
    ]


def test_each_broken_file_is_told_beside_what_is_wrong_in_the_others(write: Write) -> None:
    """What refers to a file that can't be read is not judged, what is wrong by itself is."""
    main = write("[", a="x =", b="log.level = 1\nmodels.a.profile = 'may be in a'")
    problems = problems_of(Sources(main=main))
    assert [Path(problem.file).name for problem in problems] == ["serve.toml", "a.toml", "b.toml"]
    assert problems[-1].key == "log.level"


def test_the_last_file_that_sets_a_key_is_named(write: Write) -> None:
    """That is the one to edit; a list is one value, so its items are looked for there too."""
    main = write("server.listen = ['a:1', 'a:2', 'a:3']", a="server.listen = ['a:1', 'x']")
    (problem,) = problems_of(Sources(main=main))
    assert problem.render().startswith(f"{main}.d/a.toml:1:25: server.listen: ")


def test_tables_of_several_files_are_merged_key_by_key(write: Write) -> None:
    """A drop-in changes what it sets; a list replaces the one before."""
    main = write(
        "[models.a]\nthreads = 1\nmax_queue = 1\naliases = ['x', 'y']",
        a="[models.a]\nthreads = 2\naliases = ['z']\n[models.b]",
    )
    found = load(Sources(main=main))
    assert found.models["a"].threads == 2
    assert found.models["a"].max_queue == 1
    assert found.models["a"].aliases == ["z"]
    assert list(found.models) == ["a", "b"]


def test_files_are_told_with_their_digests(write: Write) -> None:
    """So that whoever watches them knows whether there is something new."""
    main = write("", a="")
    assert load(Sources(main=main)).files == digests(main)


@pytest.mark.parametrize(
    ("source", "resolved"),
    [
        ("./model", "{here}/model"),
        ("../model", "{above}/model"),
        ("model.gguf", "{here}/model.gguf"),
        ("weights/model.gguf", "{here}/weights/model.gguf"),
        ("/weights/model.gguf", "/weights/model.gguf"),
        ("org/name", "org/name"),
        ("org/name@main:model.gguf", "org/name@main:model.gguf"),
        ("python:package/model.gguf", "python:package/model.gguf"),
    ],
)
def test_a_path_starts_from_the_file_that_sets_it(write: Write, source: str, resolved: str) -> None:
    """Not from where the daemon happens to have been started; a Hub id is no path."""
    main = write(f"models.a.source = '{source}'")
    here = {"here": str(main.parent), "above": str(main.parent.parent)}
    assert load(Sources(main=main)).models["a"].source == resolved.format(**here)


def test_a_path_of_a_drop_in_starts_from_the_drop_in(write: Write) -> None:
    """Each file can be understood by itself."""
    main = write("[models.a]", a="models.a.source = './model'")
    assert load(Sources(main=main)).models["a"].source == f"{main}.d/model"


@pytest.mark.parametrize(
    ("sources", "place"),
    [
        (Sources(text="[models.a]", overrides=["models.a.source=./b"]), "--set: models.a.source"),
        (
            Sources(text="[models.a]", environment={"SERVE_MODELS__A__SOURCE": "b.gguf"}),
            "environment variable SERVE_MODELS__A__SOURCE: models.a.source",
        ),
        (Sources(text="", overrides=['models."a.gguf".threads=1']), '--set: models."a.gguf"'),
    ],
)
def test_a_path_that_starts_nowhere_is_refused(sources: Sources, place: str) -> None:
    """The environment and --set have no directory of their own."""
    (problem,) = problems_of(sources)
    assert problem.render().startswith(f"{place}: ")
    assert "is relative to no file here, write the whole path" in problem.message


def test_a_model_is_called_by_its_source_alone() -> None:
    """`[models."ORG/NAME"]` needs nothing else."""
    assert loaded('[models."org/name"]').models["org/name"].source == "org/name"


def test_windows_line_ends_are_no_part_of_a_line() -> None:
    """A caret stands under a line without a carriage return in it."""
    (problem,) = problems_of(Sources(text="[log]\r\nlevel = 1\r\n"))
    assert (problem.line, problem.text) == (2, "level = 1")


@pytest.mark.parametrize("text", ["x = " + "[" * 2000, "x = " + "1" * 5000])
def test_what_python_refuses_to_read_is_a_problem_too(text: str) -> None:
    """Neither depth nor length ends in a traceback."""
    (problem,) = problems_of(Sources(text=text))
    assert problem.message.endswith(", write less")


_SCRAPS = ["[", "]", "{", "}", ".", "=", ",", '"', "'", "\n", " ", "#", "\\u", "a", "1"]
_WORDS = ["server", "listen", "models", "[models.a]\n", "profile = 'b'\n", "[profiles.b]\n"]
_texts = st.lists(st.sampled_from([*_SCRAPS, *_WORDS, "extends = 'b'\n"])).map("".join)


@given(_texts | st.text())
def test_any_text_either_loads_or_is_refused_by_its_problems(text: str) -> None:
    """Nothing that a file may hold raises anything but the list of what is wrong with it."""
    try:
        load(Sources(text=text))
    except ConfigError as refusal:
        for problem in refusal.problems:
            assert problem.message
            assert problem.render()
    else:
        tomli.loads(text)


_keys = st.sampled_from(
    ["server", "listen", "models", "profiles", "log", "level", "a", "threads", "extends", "aliases"]
)
_values = st.recursive(
    st.sampled_from([1, -1, 0.5, True, "", "a", "info", "a:1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(_keys, _values, max_size=4))
def test_every_problem_points_at_a_line_that_holds_its_key(tree: dict[str, object]) -> None:
    """Whatever is wrong, its place is found, be it a value, a table or an item of a list."""
    text = tomli_w.dumps(tree)
    try:
        load(Sources(text=text))
    except ConfigError as refusal:
        for problem in refusal.problems:
            assert problem.line
            assert problem.text
            assert 1 <= problem.column <= len(problem.text)
