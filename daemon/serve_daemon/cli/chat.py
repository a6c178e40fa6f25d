"""The command `servectl chat`: a conversation with a model, on a terminal."""

import click

from serve_daemon.cli.arguments import key_option, model_argument, url_option


@click.command()
@model_argument
@click.option("--system", metavar="TEXT", help="What the model is told before everything else.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    help="How freely it chooses its words. Default: as the model's makers say.",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1),
    help="From how likely words it chooses. Default: as the model's makers say.",
)
@click.option("--max-tokens", type=click.IntRange(min=1), help="Length of an answer, at the most.")
@key_option
@url_option
def chat(
    model: str, *, system: str | None, key: str | None, url: str | None, **wishes: float | None
) -> None:
    """Talk with MODEL. With a question on standard input, print the answer and end.

    Ctrl-C stops an answer, Ctrl-D ends the conversation, /help lists what else there is.
    """
    from serve_daemon.cli.chatting import begin
    from serve_daemon.cli.conversation import Conversation, wishes_of

    begin(Conversation(model, system or "", wishes_of(wishes)), url=url, key=key)


COMMANDS = (chat,)
