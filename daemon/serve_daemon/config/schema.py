"""Every key of serve.toml: its type, its default, its meaning, and what a change of it takes.

The descriptions here are the only ones: /etc/serve.toml's comments and the man page repeat them,
and tests hold them to it.
"""

from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field

from serve_daemon.config.values import (
    Address,
    Count,
    CountOrZero,
    Name,
    Seconds,
    Size,
    SizeOrZero,
)


class Effect(StrEnum):
    """What a running daemon must do when a key has changed. Ordered: the last one wins."""

    UPDATE = "update"  # nothing stops; the new value holds from now on
    REPLACE = "replace"  # the process that reads the key is replaced by a new one
    RESTART = "restart"  # only a restart of the daemon takes it up


class Reader(StrEnum):
    """The program that a table speaks to: which one a change of the table touches."""

    DAEMON = "daemon"
    GATEWAY = "gateway"
    ENGINES = "engines"  # every one of them


def key(default: Any, description: str, effect: Effect, **constraints: Any) -> Any:
    """A key of the file, with all that is to be known of it."""
    return Field(
        default, description=description, json_schema_extra={"effect": effect.value}, **constraints
    )


class Table(BaseModel):
    """A TOML table: unknown keys are refused, values never change once read."""

    reader: ClassVar[Reader | None] = None

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Server(Table):
    """[server]: how clients reach the API, and what they may ask of it."""

    reader: ClassVar[Reader | None] = Reader.GATEWAY

    listen: list[Address] = key(
        ["127.0.0.1:8000"],
        "Addresses of the API: HOST:PORT, [IPV6]:PORT or unix:/PATH.",
        Effect.REPLACE,
        min_length=1,
    )
    max_body_size: Size = key(
        ByteSize(4 * 1024 * 1024), "The largest request body, in bytes or like 4MiB.", Effect.UPDATE
    )
    body_timeout: Seconds = key(
        30.0, "Seconds in which a request body must have arrived.", Effect.UPDATE
    )
    stall_timeout: Seconds = key(
        1.5, "Seconds a client may leave its stream unread before it is cancelled.", Effect.UPDATE
    )
    drain_timeout: Seconds = key(
        30.0,
        "Seconds that open requests get to finish when the daemon, a gateway or an engine leaves.",
        Effect.UPDATE,
    )
    max_connections: Count = key(
        4096, "Connections open at once; more wait in the listen queue.", Effect.REPLACE
    )


class Log(Table):
    """[log]: what is written to stderr."""

    reader: ClassVar[Reader | None] = Reader.DAEMON

    level: Literal["debug", "info", "warning", "error"] = key(
        "info", "The least severe records that are written.", Effect.UPDATE
    )
    format: Literal["auto", "console", "json", "journal"] = key(
        "auto",
        "auto is console on a terminal, journal where stderr is the journal, json otherwise.",
        Effect.RESTART,
    )


class Control(Table):
    """[control]: how the daemon is steered."""

    reader: ClassVar[Reader | None] = Reader.DAEMON

    socket: str = key(
        "",
        "Absolute path of the control socket. Empty: control.sock in the runtime directory.",
        Effect.RESTART,
        pattern=r"^(/.*)?$",
    )
    watch: bool = key(
        True,
        "Reload when the file or one of its drop-ins changes.",
        Effect.UPDATE,
    )


class EngineProgram(Table):
    """[engine]: the program that runs models."""

    reader: ClassVar[Reader | None] = Reader.ENGINES

    python: str = key(
        "",
        "Absolute path of the Python interpreter that engines run under. Empty: the daemon's own.",
        Effect.REPLACE,
        pattern=r"^(/.*)?$",
    )


class Tuning(Table):
    """The keys that a profile may set and a model may override."""

    engine: Literal["continuous", "compiled"] = key(
        "continuous",
        "How tokens are made: continuous is Transformers' continuous batching, compiled a decode"
        " loop compiled ahead of time, which requests join and leave as well.",
        Effect.REPLACE,
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = key(
        "auto",
        "Type of weights and activations. auto: the checkpoint's, but on a CPU bfloat16 only where"
        " the CPU computes in it.",
        Effect.REPLACE,
    )
    attn_implementation: str = key(
        "auto",
        "Attention backend: auto, sdpa, eager, flash_attention_2, ... as Transformers names them.",
        Effect.REPLACE,
        min_length=1,
    )
    device: str = key(
        "auto",
        "Where the model runs: auto, cpu, cuda or cuda:N.",
        Effect.REPLACE,
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
    )
    load_format: Literal["auto", "dummy"] = key(
        "auto",
        "auto reads the weights of source; dummy makes random ones from its config.json.",
        Effect.REPLACE,
    )
    trust_remote_code: bool = key(
        False,
        "Whether Python code that comes with the checkpoint may run.",
        Effect.REPLACE,
    )
    max_requests: Count = key(32, "Sequences that decode at once; more wait.", Effect.REPLACE)
    max_context: CountOrZero = key(
        0,
        "Tokens of a sequence, prompt and output together. 0: what the model and the KV cache"
        " allow.",
        Effect.REPLACE,
    )
    max_batch_tokens: CountOrZero = key(
        0, "Tokens of one step, prompts included. 0: chosen by the engine.", Effect.REPLACE
    )
    kv_cache_memory: SizeOrZero = key(
        ByteSize(0),
        "Memory for keys and values, in bytes or like 2GiB. 0: chosen by the engine.",
        Effect.REPLACE,
    )
    threads: CountOrZero = key(
        0, "CPU threads of the engine. 0: its share of the cores.", Effect.UPDATE
    )
    max_queue: CountOrZero = key(
        128, "Requests that may wait beyond max_requests; more get status 429.", Effect.UPDATE
    )
    queue_timeout: Seconds = key(
        300.0, "Seconds that a request waits for an engine that is not ready.", Effect.UPDATE
    )
    start_timeout: Seconds = key(
        1800.0,
        "Seconds in which an engine must be ready; progress of a download extends it.",
        Effect.UPDATE,
    )
    hang_timeout: Seconds = key(
        60.0,
        "Seconds without a finished step, while there is work, or without a sign of life, after"
        " which an engine is killed.",
        Effect.UPDATE,
    )
    restart_delay: Seconds = key(
        0.5,
        "Seconds before the first restart after a crash; each further one doubles the delay.",
        Effect.UPDATE,
    )
    restart_delay_max: Seconds = key(
        30.0, "The longest delay before a restart, in seconds.", Effect.UPDATE
    )
    start_limit: Count = key(
        5, "Crashes within start_limit_interval after which a model has failed.", Effect.UPDATE
    )
    start_limit_interval: Seconds = key(
        300.0, "Seconds over which crashes are counted.", Effect.UPDATE
    )


class Profile(Tuning):
    """[profiles.NAME]: a named set of optimizations."""

    extends: str = key("", "A profile whose keys hold where this one sets none.", Effect.UPDATE)


class Model(Tuning):
    """[models.NAME]: a model and the name that clients call it by."""

    source: str = key(
        "",
        "A directory, a .gguf file, a Hub id (ORG/NAME[@REVISION][:FILE]) or python:PACKAGE/FILE."
        " A directory begins with /, ./ or ../; what is relative starts from the directory of the"
        " file that sets it. Empty: the model's name.",
        Effect.REPLACE,
    )
    profile: str = key("", "The profile whose keys hold where this model sets none.", Effect.UPDATE)
    aliases: list[Name] = key([], "Further names that clients may use.", Effect.UPDATE)


class Config(Table):
    """The whole file."""

    server: Server = Server()
    log: Log = Log()
    control: Control = Control()
    engine: EngineProgram = EngineProgram()
    profiles: dict[Name, Profile] = {}
    models: dict[Name, Model] = {}
