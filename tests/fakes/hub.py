"""A Hub on loopback: as much of its HTTP interface as a download takes."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """As much of the Hub's HTTP interface as a download takes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.claimed_bytes: dict[str, int] = {}
        self.served: list[str] = []
        self.ranges: list[str] = []  # what was asked for of files that had begun to come
        self.hold_after: dict[str, int] = {}  # bytes of a file that are sent; then nothing more is
        self.held = threading.Event()  # one of them is held

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: FakeHub

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0].strip("/")
        if path.startswith("api/models/"):
            parts = path.split("/")
            self._describe("/".join(parts[2:4]), as_tree="tree" in parts)
            return
        repository, _, rest = path.partition("/resolve/")
        name = rest.partition("/")[2]
        content = self.server.repositories.get(repository, {}).get(name)
        if content is None:
            self._reply(404, b"", {"X-Error-Code": "EntryNotFound"}, with_body=with_body)
            return
        if with_body:
            self.server.served.append(name)
        etag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
        start = self._start()
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._reply(206 if start else 200, content[start:], headers, with_body=with_body)

    def _start(self) -> int:
        asked = self.headers.get("Range", "")
        if asked:
            self.server.ranges.append(asked)
        first = asked.removeprefix("bytes=").partition("-")[0]
        return int(first) if first.isdigit() else 0

    def _describe(self, repository: str, *, as_tree: bool) -> None:
        files = self.server.repositories.get(repository)
        if files is None:
            self._reply(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body=True)
            return
        sizes = {
            name: self.server.claimed_bytes.get(name, len(content))
            for name, content in files.items()
        }
        tree = [
            {"type": "file", "path": name, "size": size, "oid": name}
            for name, size in sizes.items()
        ]
        siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
        about = {"id": repository, "sha": COMMIT, "siblings": siblings, "private": False}
        self._reply(200, json.dumps(tree if as_tree else about).encode(), {}, with_body=True)

    def _reply(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self._write(body)

    def _write(self, body: bytes) -> None:
        limit = self.server.hold_after.get(self.path.rpartition("/")[2])
        try:
            self.wfile.write(body[:limit])
            if limit is not None:
                self.wfile.flush()
                self.server.held.set()
                self.connection.recv(1)  # until the client goes
        except ConnectionError:
            pass
