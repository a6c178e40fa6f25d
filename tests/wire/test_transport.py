"""Peers over real sockets: what is said arrives, and each end hears of the other's."""

import asyncio
import socket
from pathlib import Path

import pytest

from serve_daemon.wire import transport
from serve_daemon.wire.framing import FramingError
from serve_daemon.wire.messages import Cancel, FromEngine, ToEngine, Welcome
from serve_daemon.wire.transport import Peer, UnreadError


class End:
    """One end of a conversation, and what it has heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[object] = asyncio.Queue()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.peer: Peer[ToEngine] = Peer(ToEngine, self.heard.put_nowait, self.lost.set_result)


async def adopted(connected: socket.socket) -> End:
    end = End()
    await transport.adopt(end.peer, connected)
    return end


async def test_messages_arrive_in_order() -> None:
    """In both directions, over one pair of sockets."""
    ours, theirs = socket.socketpair()
    left, right = await adopted(ours), await adopted(theirs)
    for number in range(1000):
        left.peer.send(Cancel(number))
    right.peer.send(Cancel(5000))
    assert [await right.heard.get() for _ in range(1000)] == [Cancel(n) for n in range(1000)]
    assert await left.heard.get() == Cancel(5000)
    left.peer.close()
    assert await left.lost is None
    assert await right.lost is None


async def test_close_sends_what_is_buffered() -> None:
    """The last words reach a peer that reads slowly."""
    ours, theirs = socket.socketpair()
    left = await adopted(ours)
    for number in range(100_000):
        left.peer.send(Cancel(number))
    assert left.peer.unsent_bytes > 0
    left.peer.close()
    right = await adopted(theirs)
    await right.lost
    assert right.heard.qsize() == 100_000
    assert await left.lost is None
    assert left.peer.unsent_bytes == 0


async def test_a_peer_that_reads_nothing_is_given_up() -> None:
    """What waits for it is dropped, and its owner hears why; another's peer is not touched."""
    ours, theirs = socket.socketpair()
    left = await adopted(ours)
    left.peer.max_unsent_bytes = 100_000
    with theirs:
        while left.peer.unsent_bytes <= left.peer.max_unsent_bytes:
            left.peer.send(Cancel(1))
        assert not left.lost.done()
        left.peer.send(Cancel(1))
        with pytest.raises(UnreadError, match=r"has left 1\d{5} bytes unread"):
            raise await left.lost or AssertionError
    assert left.peer.unsent_bytes == 0
    assert End().peer.max_unsent_bytes > 100_000


async def test_the_end_of_the_stream_is_heard_once() -> None:
    """A peer that dies says nothing, and that is heard."""
    ours, theirs = socket.socketpair()
    left = await adopted(ours)
    theirs.close()
    assert await left.lost is None


async def test_sending_to_one_who_is_gone_does_nothing() -> None:
    """Before there is a connection, while it closes, and after."""
    left = End()
    left.peer.send(Cancel(1))
    left.peer.close()
    assert left.peer.unsent_bytes == 0
    ours, theirs = socket.socketpair()
    await transport.adopt(left.peer, ours)
    theirs.close()
    await left.lost
    left.peer.send(Cancel(2))
    left.peer.close()
    assert left.heard.empty()


async def test_garbage_ends_the_conversation() -> None:
    """The side that hears it hangs up and knows why; what came before it counts."""
    ours, theirs = socket.socketpair()
    left = await adopted(ours)
    with theirs:
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(theirs, b"GET / HTTP/1.1\r\n\r\n")
        error = await left.lost
        assert isinstance(error, FramingError)
        assert await loop.sock_recv(theirs, 1) == b""
    assert left.heard.empty()


async def test_listen_and_connect(tmp_path: Path) -> None:
    """Each connection to a Unix socket gets a peer of its own."""
    path = str(tmp_path / "engine.sock")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    listening.listen()
    ends: asyncio.Queue[End] = asyncio.Queue()

    def make_peer() -> Peer[ToEngine]:
        end = End()
        ends.put_nowait(end)
        return end.peer

    server = await transport.listen(make_peer, listening)
    heard: asyncio.Queue[FromEngine] = asyncio.Queue()
    lost = asyncio.get_running_loop().create_future()
    client: Peer[FromEngine] = Peer(FromEngine, heard.put_nowait, lost.set_result)
    await transport.connect(client, path)
    client.send(Cancel(1))
    end = await ends.get()
    assert await end.heard.get() == Cancel(1)
    end.peer.send(Welcome("e1", "m"))
    assert await heard.get() == Welcome("e1", "m")
    server.close()
    client.close()
    assert (await lost, await end.lost) == (None, None)


async def test_connecting_to_nobody_is_an_error(tmp_path: Path) -> None:
    """Nobody listens there: the caller is told at once."""
    with pytest.raises(OSError, match="No such file"):
        await transport.connect(End().peer, str(tmp_path / "none"))
