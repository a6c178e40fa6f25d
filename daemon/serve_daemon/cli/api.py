"""A client of the daemon's own API, for `servectl bench` and `chat`: http.client alone."""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from serve_daemon.cli.connection import EXIT_FAILED, call, fail
from serve_daemon.config.address import TcpAddress, UnixAddress, parse_address

CONNECT_SECONDS = 10.0
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - told by the daemon
KEY_HINT = "name a key with --key, or in SERVECTL_API_KEY"

Connect = Callable[[], http.client.HTTPConnection]
Document = dict[str, Any]


class ApiError(Exception):
    """The API refuses, breaks off or can't be reached; says why, and what to do."""


class Api(NamedTuple):
    """Where the API is, and who asks."""

    where: str
    connect: Connect
    key: str | None = None

    def get(self, path: str) -> Document:
        """What a GET is answered with. Raises `ApiError`."""
        with self._answer("GET", path, None) as reply:
            return _read(reply)

    def post(self, path: str, body: Document) -> Document:
        """What a POST is answered with. Raises `ApiError`."""
        with self._answer("POST", path, body) as reply:
            return _read(reply)

    @contextlib.contextmanager
    def response(self, body: Document) -> Iterator["Answer"]:
        """An answer of /v1/responses as it comes. Leaving it early cancels it."""
        asked = {**body, "stream": True, "stream_options": {"include_obfuscation": False}}
        connection = self.connect()
        try:
            yield Answer(*self._ask(connection, "POST", "/v1/responses", asked))
        finally:
            connection.close()

    @contextlib.contextmanager
    def _answer(
        self, method: str, path: str, body: Document | None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self.connect()
        try:
            yield self._ask(connection, method, path, body)[1]
        finally:
            connection.close()

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Document | None
    ) -> tuple[socket.socket, http.client.HTTPResponse]:
        """The reply, and the socket that it comes by: a connection may have let go of that."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        sent = None if body is None else json.dumps(body)
        try:
            connection.connect()
            taken: socket.socket = connection.sock
            taken.settimeout(None)  # a model that starts takes its time
            connection.request(method, path, sent, headers)
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(f"{self.where}: {_why(error)}") from error
        if reply.status != http.client.OK:
            raise ApiError(_refusal(reply))
        return taken, reply


class Answer:
    """The events of an answer."""

    def __init__(self, taken: socket.socket, reply: http.client.HTTPResponse) -> None:
        self._socket = taken
        self._reply = reply

    def cancel(self) -> None:
        """From any thread: whoever waits for an event gets an `ApiError`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def events(self) -> Iterator[Document]:
        """Each as it comes, up to the one that ends it.

        Raises `ApiError` where the answer fails or breaks off.
        """
        try:
            for line in self._reply:
                if line.startswith(b"data: {"):
                    event = json.loads(line[len("data: ") :])
                    _raise_failure(event)
                    yield event
                    if event["type"] in ("response.completed", "response.incomplete"):
                        return
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ApiError(f"the answer broke off: {_why(error)}") from error
        raise ApiError("the answer broke off before its end")


def api_of(url: str | None, key: str | None) -> Api:
    """The API of a URL, else of the daemon that this command is for; leaves where it has none."""
    if url:
        return _of_url(url, key)
    listens = [parse_address(each) for each in call("Status")["gateway"]["listen"]]
    # A Unix socket first: no TLS in between, whose certificate is made out to another name.
    for address in sorted(listens, key=lambda each: isinstance(each, TcpAddress)):
        if isinstance(address, TcpAddress) or _lets_us_in(address.path):
            return _of_address(address, key)
    return fail("the daemon listens on no address that is open to you: name one with --url", 1)


def _of_address(address: TcpAddress | UnixAddress, key: str | None) -> Api:
    if isinstance(address, UnixAddress):
        path = address.path
        return Api(f"unix:{path}", lambda: _UnixConnection(path), key)
    host, port = ANYWHERE.get(address.host, address.host), address.port
    if not call("GetConfig")["config"]["server"]["tls_certificate"]:
        return Api(f"{host}:{port}", lambda: _plain(host, port), key)
    # The daemon itself has told the address, over its control socket, and it is of this machine.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    return Api(f"{host}:{port}", lambda: _encrypted(host, port, context), key)


def _of_url(url: str, key: str | None) -> Api:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/"):
        fail(f"--url {url}: write it like http://127.0.0.1:8000", EXIT_FAILED + 1)
    if parts.scheme == "http":
        return Api(url, lambda: _plain(host, port), key)
    context = ssl.create_default_context()
    return Api(url, lambda: _encrypted(host, port, context), key)


def _plain(host: str, port: int | None) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)


def _encrypted(host: str, port: int | None, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=context)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)  # without a timeout it waits where many come at once


def _lets_us_in(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


def _read(reply: http.client.HTTPResponse) -> Document:
    try:
        document: Document = json.loads(reply.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ApiError(f"the answer broke off: {_why(error)}") from error
    return document


def _refusal(reply: http.client.HTTPResponse) -> str:
    """What an error says, with what to do where it takes a key."""
    with contextlib.suppress(ApiError, KeyError, TypeError):
        message = str(_read(reply)["error"]["message"])
        return f"{message} ({KEY_HINT})" if reply.status == http.client.UNAUTHORIZED else message
    return f"the API answers with {reply.status} {reply.reason}"


def _raise_failure(event: Document) -> None:
    if event["type"] == "error":
        raise ApiError(str(event.get("message") or event.get("error", {}).get("message")))
    if event["type"] == "response.failed":
        raise ApiError(str((event["response"].get("error") or {}).get("message", "it failed")))


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in str(error):
        return "it wants a certificate of its clients; use an address that is a Unix socket"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
