"""Every key of serve.toml: its type, its default, its meaning, and what a change of it takes.

The descriptions here are the only ones: /etc/serve.toml's comments and the man page repeat them,
and tests hold them to it.
"""

from typing import Any, ClassVar, Literal

from pydantic import ByteSize, Field, PrivateAttr

from serve_daemon.config.probe import followed
from serve_daemon.config.tables import Effect, Reader, Table, key
from serve_daemon.config.tuning import Model, Profile
from serve_daemon.config.values import (
    Address,
    Count,
    Credential,
    Name,
    Origin,
    Seconds,
    Size,
    SizeOrZero,
)


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
    tls_certificate: Credential = key(
        "",
        "The certificate and its chain in PEM form: an absolute path, or a credential of the unit."
        " With it, the addresses that are no Unix sockets speak TLS. Empty: none does.",
        Effect.REPLACE,
    )
    tls_key: Credential = key(
        "",
        "The private key of the certificate, in the same way; it may not be readable by everyone.",
        Effect.REPLACE,
    )
    tls_client_ca: Credential = key(
        "",
        "Whose certificates clients must show, in the same way. Empty: they need none.",
        Effect.REPLACE,
    )
    tls_min_version: Literal["1.2", "1.3"] = key(
        "1.3", "The oldest version of TLS that is spoken.", Effect.REPLACE
    )
    cors_origins: list[Origin] = key(
        [],
        "Origins whose web pages may use the API from a browser, like https://chat.example, or a"
        " star for all. Empty: none may.",
        Effect.UPDATE,
    )


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


class Metrics(Table):
    """[metrics]: what Prometheus reads."""

    reader: ClassVar[Reader | None] = Reader.GATEWAY

    enabled: bool = key(
        True, "Whether gateways answer with a page of metrics at all.", Effect.REPLACE
    )
    path: str = key(
        "/metrics",
        "Absolute path of the page.",
        Effect.REPLACE,
        pattern=r"^(/[A-Za-z0-9._~-]+)+$",
    )
    listen: list[Address] = key(
        [],
        "Addresses where the page and /health are alone, as those of the API are written; there"
        " they take no key, and speak no TLS. Empty: the page is at the API's.",
        Effect.REPLACE,
    )


class Ui(Table):
    """[ui]: the status page."""

    reader: ClassVar[Reader | None] = Reader.GATEWAY

    enabled: bool = key(
        False,
        "Whether /ui shows the state of the daemon and has a chat, for a browser; where there are"
        " keys, it asks for one.",
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
    prompts: bool = key(
        False,
        "Whether what the models are asked is written too, whole, as they get it. Otherwise no"
        " record has a prompt or an answer.",
        Effect.UPDATE,
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
        "Absolute path of the Python interpreter that engines run under; links on the way to its"
        " environment are followed when the file is read. Empty: the daemon's own.",
        Effect.REPLACE,
        pattern=r"^(/.*)?$",
    )
    memory_limit: SizeOrZero = key(
        ByteSize(0),
        "Memory of one device that all engines together may take, in bytes or like 48GiB; what has"
        " no room is refused. 0: what is free.",
        Effect.UPDATE,
    )
    _interpreter: str = PrivateAttr("")

    def model_post_init(self, _context: Any) -> None:
        self._interpreter = followed(self.python)

    @property
    def interpreter(self) -> str:
        """`python`, in the environment that links led to when the file was read.

        An engine that runs keeps to it when a link is changed, also for what it imports later; the
        next reload takes up another one.
        """
        return self._interpreter


class Key(Table):
    """[keys.NAME]: a key that clients may show, and what it is good for."""

    hash: str = key(
        "",
        "SHA-256 of the key, as sha256:HEX; servectl key new NAME makes a key and this line.",
        Effect.UPDATE,
        pattern=r"^(sha256:[0-9a-f]{64})?$",
    )
    credential: Credential = key(
        "",
        "In place of hash, where the key itself lies, or several, one a line: an absolute path, or"
        " a credential of the unit (LoadCredential= of systemd). Not readable by everyone.",
        Effect.UPDATE,
    )
    models: list[Name] = key(
        [], "The models that it is good for, by name or alias. Empty: all.", Effect.UPDATE
    )


class Config(Table):
    """The whole file."""

    server: Server = Server()
    responses: Responses = Responses()
    metrics: Metrics = Metrics()
    ui: Ui = Ui()
    log: Log = Log()
    control: Control = Control()
    engine: EngineProgram = EngineProgram()
    keys: dict[Name, Key] = Field({})
    profiles: dict[Name, Profile] = Field({})
    models: dict[Name, Model] = Field({})
