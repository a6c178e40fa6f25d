"""How a problem reads."""

import subprocess
import sys

import pytest

from serve_daemon.config.problems import ConfigError, KeyPath, Problem, dotted


@pytest.mark.parametrize(
    ("problem", "rendered"),
    [
        (
            Problem(
                file="/etc/serve.toml",
                line=4,
                column=11,
                key="server.listen",
                message="no, repair it",
                text="listen = [9]",
            ),
            "/etc/serve.toml:4:11: server.listen: no, repair it\n    listen = [9]\n              ^",
        ),
        (
            Problem(file="f", line=1, column=3, message="is wrong", text="\t\tx"),
            "f:1:3: is wrong\n    \t\tx\n    \t\t^",
        ),
        (
            Problem(file="f", line=1, column=4, message="is wrong", text='"模" x'),
            'f:1:4: is wrong\n    "模" x\n        ^',
        ),
        (
            Problem(file="f", line=9, column=1, message="ends too early", text=""),
            "f:9:1: ends too early",
        ),
        (
            Problem(file="environment variable SERVE_LOG__LEVEL", key="log.level", message="no"),
            "environment variable SERVE_LOG__LEVEL: log.level: no",
        ),
        (Problem(file="/etc/serve.toml", message="no such file"), "/etc/serve.toml: no such file"),
    ],
)
def test_a_problem_is_rendered_with_its_line_and_a_caret_under_its_column(
    problem: Problem, rendered: str
) -> None:
    """Place, key and message first; then, where there is one, the line and the caret below it."""
    assert problem.render() == rendered
    assert str(problem) == rendered


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("server", "listen"), "server.listen"),
        (("server", "listen", 1), "server.listen"),
        (("models", "Qwen/Qwen3-8B", "dtype"), 'models."Qwen/Qwen3-8B".dtype'),
        (("models", 'a"b\\'), 'models."a\\"b\\\\"'),
        (("models", ""), 'models.""'),
        ((), ""),
    ],
)
def test_a_key_is_written_as_in_the_file(path: KeyPath, text: str) -> None:
    """Parts that TOML wants quoted are quoted; an item of a list goes by the list's name."""
    assert dotted(path) == text


def test_an_error_shows_every_problem() -> None:
    """Whoever prints the error sees all there is to repair."""
    error = ConfigError([Problem(file="a", message="one"), Problem(file="b", message="two")])
    assert str(error) == "a: one\nb: two"


def test_problems_are_rendered_without_pydantic() -> None:
    """A client that shows the daemon's problems need not load the schema's machinery."""
    program = "import sys, serve_daemon.config.problems; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
