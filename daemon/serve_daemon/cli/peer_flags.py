"""The flags of `transformers serve`, each with what it is here, or why it is nothing."""

import shlex
from typing import Any

import click
from msgspec import Struct

MODEL_ARGUMENT = "force_model"
# What may stand before the flags in a line that is copied from a shell or a unit.
PROGRAM = (["transformers", "serve"], ["transformers-cli", "serve"])


class Flag(Struct, frozen=True):
    """A flag without its dashes."""

    name: str
    kind: type
    key: str = ""  # of a model or a profile; the same value holds there
    why: str = ""  # nothing stands for it

    @property
    def parameter(self) -> str:
        return self.name.replace("-", "_")


FLAGS = (
    Flag("continuous-batching", bool),
    Flag("attn-implementation", str, "attn_implementation"),
    Flag("compile", bool),
    Flag("quantization", str, "quantization"),
    Flag(
        "reasoning",
        str,
        why="is said by each request: chat_template_kwargs = {enable_thinking = ...}, or its"
        " reasoning effort",
    ),
    Flag(
        "chat-template-kwargs",
        str,
        why="is said by each request; the server has no defaults of it",
    ),
    Flag("decision-config", str, why="is for /v1/systemone, which is not served"),
    Flag("device", str, "device"),
    Flag("dtype", str, "dtype"),
    Flag("trust-remote-code", bool, "trust_remote_code"),
    Flag("model-timeout", int),
    Flag("cb-block-size", int, why="is chosen by the engine"),
    Flag("cb-num-blocks", int, why="is said in bytes: kv_cache_memory of the model"),
    Flag("cb-max-batch-tokens", int, "max_batch_tokens"),
    Flag(
        "cb-max-memory-percent",
        float,
        why="is said in bytes: kv_cache_memory of the model, or [engine] memory_limit for all",
    ),
    Flag("cb-use-cuda-graph", bool, "use_cuda_graph"),
    Flag("host", str),
    Flag("port", int),
    Flag("enable-cors", bool),
    Flag("log-level", str),
    Flag(
        "default-seed",
        int,
        why="is said by each request as its seed; without one every answer is drawn anew",
    ),
    Flag(
        "non-blocking", bool, why="is for tests of Transformers; a service manager runs the daemon"
    ),
)


def given(line: str) -> dict[str, Any]:
    """What a command line gives, by parameter; what it leaves out is absent.

    Raises `click.UsageError` for a flag that nobody knows, or a value of the wrong type.
    """
    try:
        words = shlex.split(line.replace("\\\n", " "))  # shlex keeps what a shell drops
    except ValueError as error:
        raise click.UsageError(f"the flags can't be read as a shell would: {error}") from error
    words = _without_program(words)
    try:
        context = _command().make_context("transformers serve", words)
    except click.NoSuchOption as error:
        raise click.UsageError(
            f"{error.option_name} is no flag of transformers serve that is known here"
        ) from error
    except click.exceptions.Exit as error:  # --help
        raise click.UsageError("these are no flags to serve with") from error
    return {name: value for name, value in context.params.items() if value is not None}


def _without_program(words: list[str]) -> list[str]:
    """What follows the program's name, whatever path or variables stand before it."""
    for index in range(len(words) - 1):
        if [words[index].rpartition("/")[2], words[index + 1]] in PROGRAM:
            return words[index + 2 :]
    return words


def _command() -> click.Command:
    options: list[click.Parameter] = [click.Argument([MODEL_ARGUMENT], required=False)]
    for flag in FLAGS:
        name = f"--{flag.name}"
        spelling = f"{name}/--no-{flag.name}" if flag.kind is bool else name
        options.append(click.Option([flag.parameter, spelling], type=flag.kind, default=None))
    return click.Command("transformers serve", params=options, add_help_option=False)
