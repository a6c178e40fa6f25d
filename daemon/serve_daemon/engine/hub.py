"""Checkpoints from the Hugging Face Hub: found in the local cache, else downloaded into it."""

import re
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from serve_daemon.config.located import cached, gguf_names, snapshot
from serve_daemon.config.sources import HubSource, choose_file
from serve_daemon.engine import fetching
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

Report = Callable[[str, int, int], None]  # what, bytes done, bytes in all

MODEL_FILES = (".safetensors", ".json", ".jinja", ".model", ".txt")
CODE_FILES = (".py",)
# Of what sentence-transformers does after the model, as 1_Pooling; nothing else lies in folders.
OF_MODULES = re.compile(r"\d+_\w+/(config\.json|model\.safetensors)")
MARGIN_BYTES = 256 * 1024 * 1024  # left free on the disk


def find(source: HubSource, *, with_weights: bool, with_code: bool, report: Report) -> Path:
    """The file or directory of `source`, downloaded if the cache lacks it.

    Raises `EngineError` where it can't be had, and `SourceError` where the choice is not clear.
    """
    folder = snapshot(source)
    if folder is not None and (found := cached(folder, source.file, with_weights=with_weights)):
        return found
    try:
        sizes = _sizes(source)
    except EngineError:
        # What the cache holds is not what would be chosen, but it is all that can be had.
        if folder is not None and not source.file and (names := gguf_names(folder)):
            return folder / choose_file(source.repository, names)
        raise
    file = source.file or (choose_file(source.repository, list(sizes)) if with_weights else "")
    if file and file not in sizes:
        raise EngineError(
            Reason.SOURCE,
            f"{source.repository} has no file {file}. There are: {', '.join(sorted(sizes))}",
        )
    wanted = [file] if file else wanted_files(list(sizes), with_weights, with_code)
    total_bytes = sum(sizes[name] for name in wanted)
    _check_disk(source, total_bytes)
    downloaded = _download(source, wanted, Counter(source.repository, total_bytes, report))
    return downloaded / file if file else downloaded


def wanted_files(names: Sequence[str], with_weights: bool, with_code: bool) -> list[str]:
    """The files of a repository that loading takes."""
    endings = MODEL_FILES + (CODE_FILES if with_code else ())
    return [
        name
        for name in names
        if name.endswith(endings) and ("/" not in name or OF_MODULES.fullmatch(name))
        if with_weights or not name.endswith(".safetensors")
    ]


def _sizes(source: HubSource) -> dict[str, int]:
    """The files of the repository, with their sizes in bytes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    where = f"{source.repository}{'@' + source.revision if source.revision else ''}"
    try:
        info = HfApi().model_info(
            source.repository, revision=source.revision or None, files_metadata=True
        )
    except RepositoryNotFoundError as error:
        raise EngineError(
            Reason.SOURCE,
            f"{where} is not on the Hub, or it is not public and HF_TOKEN gives no access to it",
        ) from error
    except fetching.network_errors() as error:
        raise EngineError(
            Reason.SOURCE,
            f"{where} is not in the cache and the Hub can't be asked: {_first_line(error)}",
        ) from error
    return {file.rfilename: file.size or 0 for file in info.siblings or []}


def _check_disk(source: HubSource, needed_bytes: int) -> None:
    from huggingface_hub.constants import HF_HUB_CACHE

    cache = Path(HF_HUB_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(cache).free
    if free_bytes < needed_bytes + MARGIN_BYTES:
        raise EngineError(
            Reason.SOURCE,
            f"{source.repository} takes {needed_bytes / 2**30:.1f} GiB and {cache} has"
            f" {free_bytes / 2**30:.1f} GiB free; make room, or set HF_HUB_CACHE",
        )


class Counter:
    """How much of a download has arrived, told whenever it is more."""

    def __init__(self, repository: str, total_bytes: int, report: Report) -> None:
        self._lock = threading.Lock()  # files are downloaded by several threads
        self._repository = repository
        self._total_bytes = total_bytes
        self._report = report
        self._done_bytes = 0

    def add(self, more_bytes: int) -> None:
        with self._lock:
            self._done_bytes += more_bytes
            self._report(self._repository, self._done_bytes, self._total_bytes)


def _download(source: HubSource, wanted: list[str], counter: Counter) -> Path:
    from huggingface_hub import snapshot_download

    try:
        fetching.fetch(source, wanted, counter.add)
        folder = snapshot_download(  # which finds all that it wants
            source.repository, revision=source.revision or None, allow_patterns=wanted
        )
    except fetching.network_errors() as error:
        raise EngineError(
            Reason.SOURCE, f"downloading {source.repository} failed: {_first_line(error)}"
        ) from error
    return Path(folder)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
