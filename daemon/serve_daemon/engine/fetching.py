"""Files of the Hub brought into its cache, each gone on from where an earlier try was left.

The Hub's library begins a file anew each time, and leaves half of it behind where it is killed. So
files are fetched here, into the places that the library has for them, and it then finds them there.
"""

import fcntl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from serve_daemon.config.sources import HubSource

FILES_AT_ONCE = 4
CHUNK_BYTES = 1024 * 1024
TRIES = 5  # that bring nothing new, one after another
PARTIAL_SUFFIX = ".incomplete"  # as the library calls it: its tools know what that is

Arrived = Callable[[int], None]  # bytes that have come, or were here


class Stopped(Exception):  # noqa: N818 - it names what happened
    """Another file could not be had, so this one is not needed any more."""


def network_errors() -> tuple[type[BaseException], ...]:
    """What a Hub that can't be reached, or refuses, raises: the errors of its HTTP library, too."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    return (HfHubHTTPError.__bases__[0], HfHubHTTPError, OfflineModeIsEnabled, OSError)


def fetch(source: HubSource, names: list[str], arrived: Arrived) -> None:
    """Have the cache hold the content of all these files. Raises one of `network_errors`."""
    stop = threading.Event()
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        begun = [pool.submit(_File(source, name, arrived, stop).fetch) for name in names]
        try:
            wait(begun, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
    failures = [error for each in begun if (error := each.exception()) is not None]
    for error in sorted(failures, key=lambda error: isinstance(error, Stopped)):
        raise error


class _File:
    """One of them."""

    def __init__(
        self, source: HubSource, name: str, arrived: Arrived, stop: threading.Event
    ) -> None:
        from huggingface_hub import hf_hub_url

        self._repository = source.repository
        self._url = hf_hub_url(source.repository, name, revision=source.revision or None)
        self._arrived = arrived
        self._stop = stop

    def fetch(self) -> None:
        from huggingface_hub import get_hf_file_metadata

        if self._stop.is_set():
            raise Stopped
        about = get_hf_file_metadata(self._url)
        if about.etag is None or about.size is None:
            return  # the library knows what to do then
        blob = _blobs(self._repository) / about.etag
        blob.parent.mkdir(parents=True, exist_ok=True)
        if not blob.exists():
            with _alone(blob.with_name(f"{blob.name}{PARTIAL_SUFFIX}"), blob) as partial:
                if partial is not None:
                    self._complete(partial, about.size)
                    return
        self._arrived(about.size)

    def _complete(self, file: IO[bytes], size: int) -> None:
        """Append what is missing, over as many connections as that takes."""
        if file.tell() > size:
            file.truncate(0)
        self._arrived(file.seek(0, 2))
        tries = 0
        while (before := file.seek(0, 2)) < size:
            try:
                self._append(file)
            except network_errors() as error:
                tries = 0 if file.seek(0, 2) > before else tries + 1
                if tries == TRIES or _is_refusal(error):
                    raise
        if file.tell() != size:
            raise OSError(f"{self._url} gave {file.tell()} bytes, and has said {size}")

    def _append(self, file: IO[bytes]) -> None:
        library: Any = import_module("huggingface_hub.utils")
        start = file.seek(0, 2)
        headers = {**library.build_hf_headers(), "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        client = library.get_session()
        with client.stream("GET", self._url, headers=headers, follow_redirects=True) as reply:
            library.hf_raise_for_status(reply)
            if start and reply.status_code == 200:  # noqa: PLR2004 - it gives the whole file
                file.truncate(0)
                self._arrived(-start)
            for chunk in reply.iter_bytes(CHUNK_BYTES):
                if self._stop.is_set():
                    raise Stopped
                file.write(chunk)
                file.flush()  # what is killed has written it
                self._arrived(len(chunk))


def _blobs(repository: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "blobs"


@contextmanager
def _alone(path: Path, target: Path) -> Iterator[IO[bytes] | None]:
    """The file, to append to by one process at a time, which becomes `target` when it is done.

    None where that is there by the time that it is our turn.
    """
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not target.exists():
            yield file
            path.replace(target)
            return
        with suppress(FileNotFoundError):  # what the other one has renamed, or one too many
            if path.samefile(f"/proc/self/fd/{file.fileno()}"):
                path.unlink()
    yield None


def _is_refusal(error: BaseException) -> bool:
    """Whether trying again is of no use: it is not there, or not for us."""
    reply = getattr(error, "response", None)
    return reply is not None and 400 <= reply.status_code < 500  # noqa: PLR2004 - the client's fault
