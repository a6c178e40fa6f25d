"""The command `servectl bench`: how fast a model answers, by the daemon's own API."""

from typing import Any

import click

from serve_daemon.cli.arguments import json_option, key_option, model_argument, url_option

MAX_STREAMS = 1024


class Numbers(click.ParamType[list[int]]):
    """Numbers between commas."""

    name = "NUMBERS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        try:
            numbers = [int(each) for each in str(value).split(",")]
        except ValueError:
            numbers = []
        if not numbers or not all(1 <= each <= MAX_STREAMS for each in numbers):
            self.fail(f"{value}: write numbers up to {MAX_STREAMS}, like 1,4,16", param, ctx)
        return numbers


@click.command()
@model_argument
@click.option(
    "--streams",
    type=Numbers(),
    default="1,4,16",
    show_default=True,
    help="How many requests at a time, one run after the other.",
)
@click.option(
    "--prompt-tokens",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Length of each prompt, as near as the model's template lets it be.",
)
@click.option(
    "--new-tokens",
    type=click.IntRange(min=2),
    default=128,
    show_default=True,
    help="Length of each answer.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Requests of each stream, one after the other.",
)
@key_option
@url_option
@json_option
def bench(
    model: str, *, streams: list[int], key: str | None, url: str | None, as_json: bool, **load: int
) -> None:
    """Measure how fast MODEL answers: tokens a second, time to the first token and between tokens.

    The requests go through the daemon's API, beside those of others. Ctrl-C cancels them and shows
    what was measured.
    """
    from serve_daemon.cli.benching import measure
    from serve_daemon.cli.measuring import Load

    measure(Load(model, **load), streams, url=url, key=key, as_json=as_json)


COMMANDS = (bench,)
