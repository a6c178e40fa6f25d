"""One HTTP request and its reply, as far as all endpoints are alike: id, record, end."""

import ipaddress
import re
import time
import uuid
from collections.abc import Callable, Iterable

import structlog

from serve_daemon.gateway.common.asking import Asker
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.http.kernel_sockets import Address, address
from serve_daemon.gateway.http.tracing import trace_of

log = structlog.get_logger()

GOOD_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
PROBE_PATHS = ("/health", "/ready")  # probes come every few seconds
UI_PATH = "/ui"  # so does a page that shows the state
ANTHROPIC_PATH = "/v1/messages"
IPV6_SITE_BYTES = 8  # one host may use any address of these
LEFT = ("disconnected", "stalled")
GONE = 499  # as nginx logs it: the client left before the reply was whole


class Exchange:
    """Collects what the access record says, and calls back when the exchange is over."""

    def __init__(self, scope: dict[str, object], headers: Iterable[tuple[bytes, bytes]]) -> None:
        headers = list(headers)
        self.request_id = _request_id(headers)
        self.method = str(scope["method"])
        self.path = str(scope["path"])
        # Whether the client expects errors in the shape of Anthropic's API.
        self.is_anthropic = self.path.startswith(ANTHROPIC_PATH) or any(
            name == b"anthropic-version" for name, _ in headers
        )
        self.trace = trace_of(headers)
        self.asker = Asker()
        self.is_refused = False  # for want of a good key
        # Whether it only asks how the gateway fares.
        self.is_probe = self.path in PROBE_PATHS or is_of_ui(self.path)
        self._client = scope.get("client")
        self.body = b""
        self.status = 0
        self.outcome = "answered"  # or what ended it early
        self.error: str | None = None  # the code of an error that was the answer
        self.model = ""
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cut_by: ApiError | None = None  # what it is to end with, now
        self._on_cut: Callable[[], object] | None = None
        self._begun = time.monotonic()
        self._first_token: float | None = None
        self._closers: list[Callable[[], None]] = []

    @property
    def key_name(self) -> str:
        """Of the key that it was asked with; "" where the configuration has none."""
        return self.asker.key_name

    @property
    def client(self) -> str:
        """Who shares the engines with others: whoever has one key, else one host."""
        return self.key_name or self.host

    @property
    def host(self) -> str:
        """Where it comes from, as far as clients are told apart by that."""
        return client_of(self._client)

    @property
    def peer(self) -> Address | None:
        """The other end of its connection; None on a Unix socket."""
        match self._client:
            case (str() as host, (str() | int()) as port):
                return address(host, port)
        return None

    def may_use(self, model: str) -> bool:
        """Whether whoever asks may use a model, named as it is and by no alias."""
        return self.asker.may_use(model)

    @property
    def identity(self) -> dict[str, str]:
        """What every log line that is written for it says."""
        identity = {"request_id": self.request_id}
        if self.key_name:
            identity["key"] = self.key_name
        if self.trace is not None:
            identity |= {"trace_id": self.trace.trace_id, "span_id": self.trace.span_id}
        return identity

    @property
    def milliseconds(self) -> int:
        """Since it has begun."""
        return round(1000 * (time.monotonic() - self._begun))

    def on_end(self, close: Callable[[], None]) -> None:
        """Have `close` called when the exchange is over, whatever ended it."""
        self._closers.append(close)

    def on_cut(self, interrupt: Callable[[], object]) -> None:
        """Have `interrupt` called where the exchange is cut."""
        self._on_cut = interrupt

    def cut(self, error: ApiError) -> None:
        """Let it end with `error`: as the reply, or in the stream that has begun."""
        self.cut_by = error
        if self._on_cut is not None:
            self._on_cut()

    def raise_if_cut(self) -> None:
        if self.cut_by is not None:
            raise self.cut_by

    def note_first_token(self) -> None:
        self._first_token = time.monotonic()

    def end(self) -> None:
        """Free what the request held, and write its record."""
        self._on_cut = None
        while self._closers:
            self._closers.pop()()
        if self.outcome in LEFT:
            self.status = GONE
        write = log.debug if self.is_probe or self.is_refused else log.info
        write("request", **self._record())

    def _record(self) -> dict[str, object]:
        record: dict[str, object] = {
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "outcome": self.outcome,
            "seconds": round(time.monotonic() - self._begun, 4),
        }
        if self.error is not None:
            record["error"] = self.error
        if self.model:
            record |= {
                "model": self.model,
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": self.completion_tokens,
            }
        if self._first_token is not None:
            record["first_token_seconds"] = round(self._first_token - self._begun, 4)
        return record


def is_of_ui(path: str) -> bool:
    """Whether it is the status page, one of its files, or what it shows."""
    return path == UI_PATH or path.startswith(f"{UI_PATH}/")


def client_of(address: object) -> str:
    """Who shares with others: the host of the peer, or its network of IPv6; "" on a Unix socket."""
    match address:
        case (str() as host, _) if ":" in host:
            whole = ipaddress.IPv6Address(host.partition("%")[0])
            return str(whole.ipv4_mapped or whole.packed[:IPV6_SITE_BYTES].hex())
        case (str() as host, _):
            return host
    return ""


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's X-Request-Id where it is printable and short, else a new one."""
    for name, value in headers:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if GOOD_REQUEST_ID.fullmatch(given):
                return given
    return f"req_{uuid.uuid4().hex}"
