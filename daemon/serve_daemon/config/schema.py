"""Every key of serve.toml: its type, its default, its meaning, and what a change of it takes.

The descriptions here are the only ones: /etc/serve.toml's comments and the man page repeat them,
and tests hold them to it.
"""

from typing import ClassVar, Literal

from pydantic import ByteSize, Field

from serve_daemon.config.tables import Effect, Reader, Table, key
from serve_daemon.config.tuning import Model, Profile
from serve_daemon.config.values import Address, Count, Name, Seconds, Size, SizeOrZero


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
        "Seconds that open requests get to finish when the daemon stops or an engine leaves.",
        Effect.UPDATE,
    )
    max_connections: Count = key(
        4096,
        "Connections open at once at each address; idle ones are closed for new ones.",
        Effect.REPLACE,
    )
    keep_alive_timeout: Seconds = key(
        75.0,
        "Seconds that a connection may stay open without the head of a request.",
        Effect.REPLACE,
    )
    workers: Count = key(1, "Gateway processes, which accept on the same addresses.", Effect.UPDATE)


class Responses(Table):
    """[responses]: what is kept of /v1/responses, so that it can be asked for again."""

    reader: ClassVar[Reader | None] = Reader.GATEWAY

    store: bool = key(
        True, "Whether a response is kept where its request does not say.", Effect.UPDATE
    )
    retention: Seconds = key(
        2592000.0,
        "Seconds that a response is kept, since it was made or last gone on from.",
        Effect.UPDATE,
    )
    max_size: Size = key(
        ByteSize(1024 * 1024 * 1024),
        "What all kept responses may take of the disk, in bytes or like 1GiB; beyond it the oldest"
        " go.",
        Effect.UPDATE,
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
    memory_limit: SizeOrZero = key(
        ByteSize(0),
        "Memory of one device that all engines together may take, in bytes or like 48GiB; what has"
        " no room is refused. 0: what is free.",
        Effect.UPDATE,
    )


class Config(Table):
    """The whole file."""

    server: Server = Server()
    responses: Responses = Responses()
    log: Log = Log()
    control: Control = Control()
    engine: EngineProgram = EngineProgram()
    profiles: dict[Name, Profile] = Field({})
    models: dict[Name, Model] = Field({})
