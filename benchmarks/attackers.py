"""Clients that cost a gateway as much as they can, each kind as a context in which it attacks."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

Attack = Callable[[int], AbstractAsyncContextManager[None]]  # of a port

CONNECTIONS = 10_000
CLIENTS = 64
WRONG_KEYS = f"{CLIENTS} clients without a good key"  # of a gateway that asks for one
HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def post(body: bytes, declared_bytes: int = 0) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % (declared_bytes or len(body)) + body


def held(count: int, begin: bytes) -> Attack:
    """So many connections that send this, and neither more nor read anything."""

    @asynccontextmanager
    async def attack(port: int) -> AsyncIterator[None]:
        writers = []
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            writer.write(begin)
            writers.append(writer)
        try:
            yield
        finally:
            for writer in writers:
                writer.transport.abort()

    return attack


def repeated(request: bytes) -> Attack:
    """Clients that send this again and again, each time on a new connection."""

    async def ask(port: int) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                await reader.read(1000)
                writer.transport.abort()

    async def run(port: int) -> None:
        await asyncio.gather(*(ask(port) for _ in range(CLIENTS)))

    return in_background(run)


def slowhttptest(*options: str, path: str = "/v1/responses") -> Attack:
    async def run(port: int) -> None:
        url = f"http://127.0.0.1:{port}{path}"
        sizes = ["-c", str(CONNECTIONS), "-r", "2000", "-i", "5", "-l", "600", "-u", url]
        command = ["slowhttptest", *options, *sizes]
        tool = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        try:
            await tool.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                tool.kill()
            await tool.wait()

    return in_background(run)


def in_background(run: Callable[[int], Awaitable[object]]) -> Attack:
    @asynccontextmanager
    async def attack(port: int) -> AsyncIterator[None]:
        running = asyncio.ensure_future(run(port))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait({running})

    return attack


def attacks(model: str) -> dict[str, Attack]:
    """By the name that the table gives them."""
    stream = json.dumps({"model": model, "input": "x", "stream": True}).encode()
    found = {
        "none": held(0, b""),
        f"{CONNECTIONS:,} connections, silent": held(CONNECTIONS, b""),
        f"{CONNECTIONS:,} half heads": held(CONNECTIONS, HEAD),
        f"{CONNECTIONS:,} half bodies": held(CONNECTIONS, post(b"{", 1000)),
        f"{CONNECTIONS:,} half bodies of 100 KB": held(CONNECTIONS, post(b" " * 100_000, 200_000)),
        f"{CONNECTIONS:,} streams, none read": held(CONNECTIONS, post(stream)),
        f"{CLIENTS} clients, bodies of 4 MB": repeated(post(b"[" + b"0," * 2_000_000 + b"0]")),
        f"{CLIENTS} clients, JSON 1,000,000 deep": repeated(post(b"[" * 1_000_000)),
        f"{CLIENTS} clients, heads of 1 MB": repeated(HEAD + b"X-Y: 1\r\n" * 130_000),
        WRONG_KEYS: repeated(post(stream)),
    }
    if shutil.which("slowhttptest"):
        body = ["-B", "-s", "8192", "-f", "application/json"]
        read = ["-X", "-k", "10", "-n", "5", "-z", "32", "-w", "256", "-y", "512"]
        found |= {
            "slowhttptest -H (slow heads)": slowhttptest("-H"),
            "slowhttptest -B (slow bodies)": slowhttptest(*body),
            "slowhttptest -X (slow reads)": slowhttptest(*read, path="/v1/models"),
            "slowhttptest -R (ranges)": slowhttptest("-R"),
        }
    return found
