"""What a call is answered with: which handler it goes to, who asked, and what went wrong."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog

import serve_daemon
from serve_daemon.control import interface, protocol
from serve_daemon.control.protocol import ControlError, Reply, Request

STREAMS = frozenset({"Logs", "Events", "Drain", "Pull"})
READING = frozenset(
    {
        "Status",
        "Plan",
        "Logs",
        "Events",
        "GetConfig",
        "GetPendingConfig",
        "GetOrigins",
        "History",
        "Metrics",
    }
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection."""

    pid: int
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call, its parameters checked against the interface; absent optional ones are absent."""

    method: str
    parameters: dict[str, Any]
    more: bool
    peer: Peer


# An async generator function. It yields one reply, or in a stream as many as it likes; it raises
# ControlError for the interface's errors; it is closed where it stands when its reader has gone.
Handler = Callable[[Call], AsyncIterator[dict[str, Any]]]


class Service:
    """The methods of io.servedaemon.Control by name, with varlink's own beside them."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._control = interface.load(protocol.INTERFACE)
        self._service = interface.load(protocol.SERVICE)
        self._handlers: dict[str, Mapping[str, Handler]] = {
            protocol.INTERFACE: handlers,
            protocol.SERVICE: {
                "GetInfo": self._get_info,
                "GetInterfaceDescription": self._get_interface_description,
            },
        }

    async def answer(self, request: Request, peer: Peer) -> AsyncGenerator[bytes, None]:
        """The replies to `request`, as they go on the wire."""
        try:
            spoken, name = self._find(request.method)
            handler = self._accept(request, spoken, name)
            record = log.debug if name in READING or spoken is self._service else log.info
            record("control call", method=request.method, uid=peer.uid, pid=peer.pid)
            call = Call(name, request.parameters, request.more, peer)
            async with contextlib.aclosing(_replies(call, handler, spoken)) as replies:
                async for reply in replies:
                    yield protocol.encode(reply)
        except ControlError as error:
            log.debug("control call refused", method=request.method, error=error.name)
            yield protocol.encode(Reply(error.parameters, error=error.name))
        except Exception:  # a bug in one handler must not end the daemon
            log.exception("control call failed", method=request.method)
            message = f"a bug in {request.method}; the daemon's log has the traceback"
            yield protocol.encode(Reply({"message": message}, error=protocol.OPERATION_FAILED))

    def _find(self, method: str) -> tuple[interface.Interface, str]:
        owner, _, name = method.rpartition(".")
        spoken = {self._control.name: self._control, self._service.name: self._service}.get(owner)
        if spoken is None:
            raise ControlError(protocol.INTERFACE_NOT_FOUND, {"interface": owner})
        if name not in spoken.methods:
            raise ControlError(protocol.METHOD_NOT_FOUND, {"method": method})
        return spoken, name

    def _accept(self, request: Request, spoken: interface.Interface, name: str) -> Handler:
        if name not in self._handlers[spoken.name]:
            raise ControlError(protocol.METHOD_NOT_IMPLEMENTED, {"method": request.method})
        if request.upgrade:
            raise ControlError(protocol.INVALID_PARAMETER, {"parameter": "upgrade"})
        if fault := spoken.fault(request.parameters, spoken.methods[name].takes):
            raise ControlError(protocol.INVALID_PARAMETER, {"parameter": fault})
        if name in STREAMS and not request.more:
            raise ControlError(protocol.EXPECTED_MORE)
        return self._handlers[spoken.name][name]

    async def _get_info(self, _call: Call) -> AsyncIterator[dict[str, Any]]:
        yield {
            "vendor": "serve-daemon",
            "product": "serve-daemon",
            "version": serve_daemon.__version__,
            "url": "",
            "interfaces": [self._service.name, self._control.name],
        }

    async def _get_interface_description(self, call: Call) -> AsyncIterator[dict[str, Any]]:
        described = call.parameters["interface"]
        for known in (self._service, self._control):
            if known.name == described:
                yield {"description": known.description}
                return
        raise ControlError(protocol.INTERFACE_NOT_FOUND, {"interface": described})


class BadReply(Exception):  # noqa: N818 - it names what the handler made
    """A handler's bug: its reply is not what the interface promises."""


async def _replies(
    call: Call, handler: Handler, spoken: interface.Interface
) -> AsyncGenerator[Reply, None]:
    gives = spoken.methods[call.method].gives
    is_stream = call.method in STREAMS
    given = cast("AsyncGenerator[dict[str, Any], None]", handler(call))
    async with contextlib.aclosing(given):
        async for parameters in given:
            if fault := spoken.fault(parameters, gives):
                raise BadReply(f"{call.method} gave a wrong or no {fault!r}")
            yield Reply(parameters, continues=is_stream)
            if not is_stream:
                return
    if not is_stream:
        raise BadReply(f"{call.method} gave no reply")
    yield Reply()
