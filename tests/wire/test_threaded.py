"""Frames sent from several threads at once, to a peer that reads as it likes."""

import asyncio
import socket
from collections.abc import Iterator

import msgspec
import pytest

from serve_daemon.wire.framing import Receiver
from serve_daemon.wire.messages import FromEngine, Output, Step
from serve_daemon.wire.threaded import ThreadedPeer
from serve_daemon.wire.transport import UnreadError, adopt

SMALL_BUFFER_BYTES = 4096


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection that takes little at once."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def step(number: int, size: int = 1) -> Step:
    return Step([Output(number, [number] * size)])


class End:
    """How a conversation ended, once it has."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def peer(self) -> ThreadedPeer[Step]:
        return ThreadedPeer(Step, lambda _message: None, self.ended.set_result)


async def received(theirs: socket.socket, count: int) -> list[int]:
    """The first tokens of so many steps, in the order in which they come."""
    loop = asyncio.get_running_loop()
    receiver = Receiver[FromEngine](msgspec.msgpack.Decoder(FromEngine))
    numbers: list[int] = []
    while len(numbers) < count:
        data = await loop.sock_recv(theirs, 1000)
        assert data
        for each in receiver.feed(data):
            assert isinstance(each, Step)
            numbers.append(each.outputs[0].sequence)
    return numbers


async def test_a_frame_is_sent_before_send_returns(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """The loop has no part in it."""
    ours, theirs = pair
    peer = await adopt(End().peer(), ours)
    peer.send(step(5))
    assert Receiver[Step](msgspec.msgpack.Decoder(Step)).feed(theirs.recv(1000)) == [step(5)]
    peer.abort()
    await asyncio.sleep(0)


async def test_frames_arrive_whole_and_in_order_however_slowly_they_are_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """From each of several threads, one of which is the loop's; most are larger than the buffer."""
    ours, theirs = pair
    peer = await adopt(End().peer(), ours)

    def send(first: int) -> None:
        for number in range(first, first + 100):
            peer.send(step(number, 1 + number * 7 % 5000))

    others = [asyncio.to_thread(send, first) for first in (1000, 2000)]
    sending = asyncio.gather(*others)
    reading = asyncio.create_task(received(theirs, 300))
    for number in range(100):
        peer.send(step(number, 3000))
        await asyncio.sleep(0)
    await sending
    numbers = await reading
    for first in (0, 1000, 2000):
        assert [each for each in numbers if first <= each < first + 100] == [
            *range(first, first + 100)
        ]
    peer.send(step(7))
    assert await received(theirs, 1) == [7]
    peer.abort()
    await asyncio.sleep(0)


async def test_who_reads_nothing_is_taken_for_gone(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """As any peer's."""
    ours, _ = pair
    end = End()
    peer = await adopt(end.peer(), ours)
    peer.max_unsent_bytes = 100_000

    def send() -> None:
        for number in range(100):
            peer.send(step(number, 5000))

    await asyncio.to_thread(send)
    assert isinstance(await end.ended, UnreadError)
    peer.send(step(1))


async def test_the_end_of_the_other_side_is_told_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Sending there does nothing."""
    ours, theirs = pair
    end = End()
    peer = await adopt(end.peer(), ours)
    theirs.close()
    await asyncio.to_thread(peer.send, step(1))
    await end.ended
    peer.send(step(2))
    assert not peer.is_open
