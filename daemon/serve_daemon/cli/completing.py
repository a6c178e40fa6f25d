"""What a shell offers behind `servectl config get` and its like."""

import contextlib
from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from serve_daemon.cli.connection import call
from serve_daemon.control.client import ControlError, Unreachable


def complete_key(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """The keys of the running configuration that begin so; none where no daemon answers."""
    from serve_daemon.config.problems import dotted

    with context.scope(), contextlib.suppress(Unreachable, ControlError):
        tree: dict[str, Any] = call("GetConfig")["config"]
        known = [dotted(path) for path in every_key(tree)]
        return [CompletionItem(each) for each in known if each.startswith(incomplete)]
    return []


def every_key(tree: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each value that is no table."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from every_key(value, (*above, name))
        else:
            yield (*above, name)
