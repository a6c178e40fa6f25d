"""Every message between the supervisor and a gateway."""

from msgspec import Struct

from serve_daemon.wire.messages import EngineReady, Failing, Message, SetLogLevel
from serve_daemon.wire.metrics import Counted


class KeyGrant(Struct, frozen=True):
    """What one key of the configuration is good for; the key itself is told nobody."""

    name: str
    digests: list[bytes]  # SHA-256, of each key that the name stands for
    models: list[str]  # by their own names; none: all


class GatewaySettings(Struct, frozen=True):
    max_body_size: int = 4 * 1024 * 1024  # bytes
    body_timeout: float = 30.0  # seconds for a whole request body
    stall_timeout: float = 1.5  # seconds a client may leave its stream unread
    drain_timeout: float = 30.0  # seconds for open requests once the gateway is to leave
    max_connections: int = 4096  # at each listening socket of a gateway
    keep_alive_timeout: float = 75.0  # seconds in which a first, or a next request must begin
    workers: int = 1  # gateways on the same sockets, which share each model's limits
    cors_origins: list[str] = []  # of web pages that may use the API
    keys: list[KeyGrant] = []  # none: whoever connects may use the API
    state_directory: str = ""  # where responses are kept; "": nowhere
    stores_by_default: bool = True  # responses whose request does not say
    logs_prompts: bool = False  # what models are asked is written to the log
    retention: float = 2592000.0  # seconds that a response is kept
    max_store_size: int = 1024 * 1024 * 1024  # bytes on disk of all that are kept
    control_socket: str = ""  # the supervisor's, to read from; "": none
    metrics_path: str = ""  # of the page that Prometheus reads; "": there is none
    draining: bool = False  # new work is refused
    has_ui: bool = False  # the status page


class TlsPair(Struct, frozen=True):
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes
    client_ca: bytes  # empty: clients need no certificate
    min_version: str

    def __repr__(self) -> str:
        return "TlsPair(...)"


class ConfigureGateway(Message, frozen=True):
    """The first message on a gateway's link, and again whenever a setting changes."""

    settings: GatewaySettings
    heartbeat_seconds: float
    log_level: str
    tls: TlsPair | None = None  # of the first message: it holds for as long as the gateway lives


class EngineAddress(Struct, frozen=True):
    """Where a ready engine is, and what it said of itself."""

    engine_id: str
    socket: str
    ready: EngineReady


class Route(Struct, frozen=True):
    """What the gateway may do with requests for one model."""

    model: str
    aliases: list[str]
    state: str  # supervisor.states.State
    reason: str  # for people, where the state is no good news
    can_wait: bool  # an engine is coming: hold requests; else refuse them with `reason`
    queue_timeout: float  # seconds to wait for a ready engine
    max_queue: int  # requests that may be open beyond the engine's max_requests
    created: int  # Unix seconds
    engines: list[EngineAddress]
    engine: str = "continuous"  # as the configuration has it, as the next one
    quantization: str = "none"


class Routes(Message, frozen=True):
    """The whole routing table.

    Where an engine is absent, gateways begin nothing and hang up after their last sequence there.
    """

    version: int
    routes: list[Route]


class EngineEnded(Message, frozen=True):
    """What the supervisor found out about an engine that is gone."""

    engine_id: str
    is_own_making: bool  # it crashed or hung, maybe over a request; else it was made to leave
    reason: str


class StopAccepting(Message, frozen=True):
    """Accept no more connections, finish open requests within `seconds`, exit with status 0."""

    seconds: float


class GatewayReady(Message, frozen=True):
    """Requests are being accepted; said once the first `Routes` has come."""


class RoutesApplied(Message, frozen=True):
    version: int


class Wake(Message, frozen=True):
    """A request waits for a model that is asleep; no error where it is not."""

    model: str


class Convicted(Message, frozen=True):
    """A request that was tried apart from others has ended this engine; it fails alone."""

    engine_id: str
    request_id: str


class GatewayHeartbeat(Message, frozen=True):
    open_requests: int
    requests: int  # since the start
    failures: int  # replies of 500 and above since the start
    draining: bool = False  # new work is refused since before this was counted
    unfinished: int = 0  # open requests, and responses that are made in the background


SupervisorToGateway = ConfigureGateway | Routes | EngineEnded | StopAccepting | SetLogLevel
GatewayNews = RoutesApplied | Wake | Convicted | Counted
GatewayToSupervisor = GatewayReady | GatewayNews | GatewayHeartbeat | Failing
