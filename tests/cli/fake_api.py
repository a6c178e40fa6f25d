"""An API that answers in words as a test tells it to, over HTTP on a Unix socket."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from cli.documents import Document, status


class FakeApi(ThreadingMixIn, UnixStreamServer):
    """What it was asked, and what it says."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.path = path
        self.asked: list[Document] = []
        self.keys: set[str | None] = set()
        self.words = ["one ", "two ", "three"]
        self.thoughts: list[str] = []
        self.refuses: tuple[int, str] | None = None  # status and message
        self.fails_with = ""  # after the words
        self.breaks_off = False  # after the words
        self.waits_from = 0  # this request, and later ones, go on until their clients leave
        self.was_asked = threading.Event()
        self.was_left = threading.Event()

    def get_request(self) -> tuple[socket.socket, str]:
        return self.socket.accept()[0], "client"

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def status(self, *models: Document) -> Document:
        """Of a daemon that listens here."""
        document = status(*models)
        document["gateway"]["listen"] = ["127.0.0.1:1", f"unix:{self.path}"]
        return document


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeApi

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass

    def do_GET(self) -> None:
        self._reply({"data": [{"id": "smollm2"}, {"id": "other"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.add(self.headers["Authorization"])
        if self.server.refuses:
            code, message = self.server.refuses
            self._reply({"error": {"message": message}}, code)
        elif self.path.endswith("/input_tokens"):
            self._reply({"input_tokens": 7 + 2 * len(body["input"].split())})
        else:
            self.server.asked.append(body)
            self.server.was_asked.set()
            try:
                self._stream()
            except ConnectionError:
                self.server.was_left.set()

    def _reply(self, document: Document, code: int = 200) -> None:
        content = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self._event("response.created", response={})
        for kind, texts in (("reasoning_text", self.server.thoughts), ("output_text", self.words)):
            for each in texts:
                self._event(f"response.{kind}.delta", delta=each)
        if 0 < self.server.waits_from <= len(self.server.asked):
            self.rfile.read(1)
            self.server.was_left.set()
        elif self.server.fails_with:
            error = {"message": self.server.fails_with}
            self._event("response.failed", response={"error": error})
        elif not self.server.breaks_off:
            usage = {"input_tokens": 20, "output_tokens": len(self.words)}
            self._event("response.completed", response={"usage": usage})

    @property
    def words(self) -> list[str]:
        return self.server.words

    def _event(self, kind: str, **fields: Any) -> None:
        told = json.dumps({"type": kind, **fields})
        self.wfile.write(f"event: {kind}\ndata: {told}\n\n".encode())
        self.wfile.flush()
