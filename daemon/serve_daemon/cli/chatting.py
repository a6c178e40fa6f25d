"""A conversation typed on a terminal, or one question out of a pipe."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import click

from serve_daemon.cli.api import Api, ApiError, api_of
from serve_daemon.cli.connection import EXIT_FAILED, EXIT_INTERRUPTED, call, fail
from serve_daemon.cli.conversation import Conversation, Said, models_of
from serve_daemon.cli.terminal import readable

PROMPT, MORE = "> ", "… "
BLOCK = '"""'
HELP = (
    ("/help", "show this"),
    ("/reset", "forget what was said"),
    ("/system [TEXT]", "tell the model this before everything else; without TEXT nothing"),
    ("/model NAME", "go on with another model"),
    ("/save FILE", "write the conversation, as JSON where FILE ends in .json, else as Markdown"),
    ("/quit", "end; Ctrl-D does too"),
    ("Ctrl-C", "stop the answer"),
    ("\\", "at the end of a line: the message goes on in the next one"),
    (BLOCK, "before and after a message of many lines"),
    ("//", "at its beginning: the message begins with one slash"),
)


def begin(conversation: Conversation, *, url: str | None, key: str | None) -> None:
    """Talk until there is no more to be said. Leaves with a status where an answer fails."""
    state = "" if url else _state(conversation.model)
    api = api_of(url, key)
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        _answer_once(conversation, api)
        return
    click.echo(f"{conversation.model}{state}. /help lists the commands, Ctrl-D ends.")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)  # so that the line editor gives the terminal back
    Chat(conversation, api).run()


def _state(model: str) -> str:
    """Why the first answer may take a while; leaves where the daemon has no such model."""
    found = call("Status", model=model)["models"][0]
    if found["state"] == "ready":
        return ""
    wakes = ", the first question starts it" if found["state"] == "asleep" else ""
    return f" is {found['state']}{wakes}"


def _answer_once(conversation: Conversation, api: Api) -> None:
    """The answer as it is, to a question that is all of stdin."""
    question = sys.stdin.read().strip()
    if not question:
        fail("standard input is empty: what is to be asked?", EXIT_FAILED)

    def hear(text: str, is_reasoning: bool) -> None:
        if not is_reasoning:
            click.echo(text, nl=False)

    try:
        said = conversation.ask(api, question, hear)
    except ApiError as error:
        fail(str(error), EXIT_FAILED)
    click.echo()
    if not said.is_whole:
        click.get_current_context().exit(EXIT_INTERRUPTED)


class Chat:
    """Reads lines, and either does what a command says or asks."""

    def __init__(self, conversation: Conversation, api: Api) -> None:
        self._conversation = conversation
        self._api = api
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": self._help,
            "/reset": self._reset,
            "/system": self._system,
            "/model": self._model,
            "/save": self._save,
        }
        _prepare_line_editor([*self._commands, "/quit"])

    def run(self) -> None:
        """Until Ctrl-D or /quit."""
        for message in _messages():
            command, _, rest = message.partition(" ")
            if command in ("/quit", "/exit"):
                return
            if message.startswith("/") and not message.startswith("//"):
                self._commands.get(command, self._unknown)(rest.strip())
            else:
                self._ask(message.removeprefix("/") if message.startswith("//") else message)

    def _ask(self, question: str) -> None:
        teller = Teller()
        try:
            said = self._conversation.ask(self._api, question, teller.tell)
        except ApiError as error:
            teller.end()
            click.secho(readable(str(error)), fg="red")
        else:
            teller.end()
            click.secho(_summary(said), dim=True)

    def _help(self, _rest: str) -> None:
        width = max(len(name) for name, _ in HELP)
        for name, told in HELP:
            click.echo(f"  {name:<{width}}  {told}")

    def _reset(self, _rest: str) -> None:
        self._conversation.reset()
        click.echo("nothing was said yet")

    def _system(self, rest: str) -> None:
        self._conversation.system = rest
        click.echo("the model is told that first" if rest else "the model is told nothing first")

    def _model(self, rest: str) -> None:
        known = models_of(self._api)
        if rest in known or (rest and not known):
            self._conversation.model = rest
            click.echo(f"{rest} answers from now on, and knows what was said")
        else:
            click.echo(f"there are: {', '.join(known)}")

    def _save(self, rest: str) -> None:
        path = Path(rest).expanduser()
        try:
            self._conversation.save(path)
        except OSError as error:
            there = isinstance(error, FileExistsError)
            hint = "it is there already, name another" if there else error.strerror
            click.echo(f"{rest or '/save FILE'}: {hint}")
        else:
            click.echo(f"it is in {path}")

    def _unknown(self, _rest: str) -> None:
        click.echo("there is no such command; /help lists them, // begins a message with a slash")


class Teller:
    """Writes an answer as it comes, its reasoning dim; nothing of it steers the terminal."""

    def __init__(self) -> None:
        self._is_reasoning = False
        self._is_at_margin = True

    def tell(self, text: str, is_reasoning: bool) -> None:
        if self._is_reasoning and not is_reasoning:
            click.echo("\n" if not self._is_at_margin else "")
            self._is_at_margin = True
            text = text.lstrip("\n")
        self._is_reasoning = is_reasoning
        shown = readable("".join(each for each in text if each.isprintable() or each in "\n\t"))
        if shown:
            click.echo(click.style(shown, dim=True) if is_reasoning else shown, nl=False)
            sys.stdout.flush()
            self._is_at_margin = shown.endswith("\n")

    def end(self) -> None:
        """What follows begins on a line of its own."""
        if not self._is_at_margin:
            click.echo()


def _summary(said: Said) -> str:
    pace = f", {said.tokens_per_second:.1f} tokens/s" if said.tokens_per_second else ""
    wait = f", the first after {said.first_at - said.asked_at:.2f} s" if said.first_at else ""
    end = "" if said.is_whole else "; stopped"
    end = "; cut at its greatest length" if said.is_cut else end
    return f"[{said.tokens} tokens{pace}{wait}{end}]"


def _messages() -> Iterator[str]:
    """What is typed, without its empty lines; Ctrl-C drops what is being typed."""
    while True:
        try:
            message = _message()
        except KeyboardInterrupt:
            click.echo()
            continue
        except EOFError:
            click.echo()
            return
        if message:
            yield message


def _message() -> str:
    """A line, or the lines that belong together."""
    line = input(PROMPT)
    if line.strip().startswith(BLOCK):
        lines = [line.strip().removeprefix(BLOCK)]
        while not lines[-1].rstrip().endswith(BLOCK):
            lines.append(input(readable(MORE)))
        return "\n".join(lines).rstrip().removesuffix(BLOCK).strip()
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1].removesuffix("\\")
        lines.append(input(readable(MORE)))
    return "\n".join(lines).strip()


def _prepare_line_editor(commands: list[str]) -> None:
    """Arrows recall what was typed, Tab completes commands; without readline there is neither."""
    with contextlib.suppress(ImportError):
        import readline

        def complete(text: str, state: int) -> str | None:
            found = [each for each in commands if each.startswith(text)] if text else []
            return found[state] if state < len(found) else None

        readline.set_completer_delims(" ")
        readline.set_completer(complete)
        readline.parse_and_bind("tab: complete")
        readline.parse_and_bind("set enable-bracketed-paste on")


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
