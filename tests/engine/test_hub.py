"""Hub sources: found in the cache without a network, else downloaded from a Hub of our own."""

import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.client import EngineProcess
from engine.models import write_config
from fakes.hub import COMMIT, FakeHub
from serve_daemon.config.sources import HubSource
from serve_daemon.engine import hub
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import EngineSpec, Reason

pytest.importorskip("huggingface_hub")

from huggingface_hub import constants

pytestmark = pytest.mark.model

FILES = {
    "config.json": b"{}",
    "README.md": b"# not needed",
    "model.safetensors": b"weights" * 1000,
    "tokenizer.json": b"[]",
    "modeling_own.py": b"raise SystemExit",
    "onnx/model.safetensors": b"not ours",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, and no network."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder


@pytest.fixture
def fake_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A Hub that answers."""
    with FakeHub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield server
        server.shutdown()
        thread.join()


def lay_out(cache: Path, repository: str, files: dict[str, bytes]) -> Path:
    """A snapshot in the cache, as an earlier download left it."""
    root = cache / f"models--{repository.replace('/', '--')}"
    snapshot = root / "snapshots" / COMMIT
    for name, content in files.items():
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).write_bytes(content)
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    return snapshot


def find(source: HubSource, *, with_weights: bool = True, with_code: bool = False) -> Path:
    return hub.find(source, with_weights=with_weights, with_code=with_code, report=lambda *_: None)


def test_the_modules_of_an_embedding_model_are_wanted() -> None:
    """They lie in folders of their own; what else lies in folders is for other programs."""
    modules = ["modules.json", "1_Pooling/config.json", "2_Dense/model.safetensors"]
    others = ["onnx/model.safetensors", "openvino/config.json", "2_Dense/pytorch_model.bin"]
    assert hub.wanted_files([*modules, *others], with_weights=True, with_code=False) == modules


def test_a_cached_repository_needs_no_network(cache: Path) -> None:
    """By its default branch, and by its commit."""
    snapshot = lay_out(cache, "org/name", FILES)
    assert find(HubSource("org/name")) == snapshot
    assert find(HubSource("org/name", COMMIT)) == snapshot


def test_a_cached_file_needs_no_network(cache: Path) -> None:
    """Named, preferred, or the only one."""
    snapshot = lay_out(cache, "org/two", {"a-Q4_K_M.gguf": b"a", "a-Q8_0.gguf": b"b"})
    assert find(HubSource("org/two", "", "a-Q8_0.gguf")) == snapshot / "a-Q8_0.gguf"
    assert find(HubSource("org/two")) == snapshot / "a-Q4_K_M.gguf"
    snapshot = lay_out(cache, "org/one", {"b-Q8_0.gguf": b"b"})
    assert find(HubSource("org/one")) == snapshot / "b-Q8_0.gguf"


@pytest.mark.parametrize(
    "files",
    [
        {"config.json": b"{}"},
        {
            "config.json": b"{}",
            "model-1.safetensors": b"1",
            "model.safetensors.index.json": json.dumps(
                {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
            ).encode(),
        },
    ],
    ids=["no weights", "a shard missing"],
)
def test_half_a_repository_is_not_enough(cache: Path, files: dict[str, bytes]) -> None:
    """Without a network the rest can't be had; a config is enough for random weights."""
    snapshot = lay_out(cache, "org/name", files)
    with pytest.raises(EngineError, match="org/name is not in the cache") as failure:
        find(HubSource("org/name"))
    assert failure.value.reason is Reason.SOURCE
    assert find(HubSource("org/name"), with_weights=False) == snapshot


def test_a_repository_is_downloaded(fake_hub: FakeHub, cache: Path) -> None:
    """What loading takes of it, with its progress in bytes; the second time from the cache."""
    fake_hub.repositories["org/name"] = FILES
    reports: list[tuple[int, int]] = []
    folder = hub.find(
        HubSource("org/name"),
        with_weights=True,
        with_code=False,
        report=lambda _name, done, total: reports.append((done, total)),
    )
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "model.safetensors", "tokenizer.json")
    }
    assert folder.is_relative_to(cache)
    assert reports[-1] == (7004, 7004)
    served = len(fake_hub.served)
    assert find(HubSource("org/name")) == folder
    assert len(fake_hub.served) == served


def test_code_is_downloaded_where_it_may_run(fake_hub: FakeHub) -> None:
    """And nowhere else."""
    fake_hub.repositories["org/name"] = FILES
    folder = find(HubSource("org/name"), with_code=True)
    assert (folder / "modeling_own.py").is_file()


def test_one_file_is_downloaded(fake_hub: FakeHub) -> None:
    """The one that is chosen, not its neighbours."""
    fake_hub.repositories["org/gguf"] = {"a-Q4_K_M.gguf": b"a" * 100, "a-Q8_0.gguf": b"b" * 200}
    assert find(HubSource("org/gguf")).read_bytes() == b"a" * 100
    assert find(HubSource("org/gguf", "", "a-Q8_0.gguf")).read_bytes() == b"b" * 200
    assert fake_hub.served == ["a-Q4_K_M.gguf", "a-Q8_0.gguf"]


def test_a_file_that_the_repository_lacks(fake_hub: FakeHub) -> None:
    """The message lists what there is."""
    fake_hub.repositories["org/gguf"] = {"a-Q8_0.gguf": b"b"}
    with pytest.raises(EngineError, match=r"no file c.gguf. There are: a-Q8_0.gguf"):
        find(HubSource("org/gguf", "", "c.gguf"))


def test_a_repository_that_does_not_exist(fake_hub: FakeHub) -> None:
    """Or that is private: the Hub doesn't tell the two apart."""
    assert not fake_hub.repositories
    with pytest.raises(EngineError, match="HF_TOKEN") as failure:
        find(HubSource("org/nothing"))
    assert failure.value.reason is Reason.SOURCE


def test_a_disk_that_is_too_small(fake_hub: FakeHub) -> None:
    """Nothing is downloaded that could not be finished."""
    fake_hub.repositories["org/name"] = FILES
    fake_hub.claimed_bytes["model.safetensors"] = 2**60
    with pytest.raises(EngineError, match="GiB free; make room"):
        find(HubSource("org/name"))
    assert not fake_hub.served


def test_what_was_left_is_gone_on_from(fake_hub: FakeHub, cache: Path) -> None:
    """Of a file that has begun to come, the rest alone is asked for; nothing is left beside it."""
    content = b"0123456789" * 100
    fake_hub.repositories["org/gguf"] = {"a-Q4_K_M.gguf": content}
    etag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    blobs = cache / "models--org--gguf" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{etag}.incomplete").write_bytes(content[:300])
    reports: list[int] = []
    found = hub.find(
        HubSource("org/gguf"),
        with_weights=True,
        with_code=False,
        report=lambda _name, done, _total: reports.append(done),
    )
    assert found.read_bytes() == content
    assert fake_hub.ranges == ["bytes=300-"]
    assert (reports[0], reports[-1]) == (300, len(content))
    assert [each.name for each in blobs.iterdir()] == [etag]


def test_two_that_want_the_same_fetch_it_once(fake_hub: FakeHub, cache: Path) -> None:
    """The other one waits, and finds it there."""
    content = b"0123456789" * 100_000
    fake_hub.repositories["org/gguf"] = {"a-Q4_K_M.gguf": content}
    with ThreadPoolExecutor() as pool:
        finds = [pool.submit(find, HubSource("org/gguf")) for _ in range(4)]
    assert {each.result().read_bytes() for each in finds} == {content}
    assert fake_hub.served == ["a-Q4_K_M.gguf"]
    assert len(list((cache / "models--org--gguf" / "blobs").iterdir())) == 1


def test_more_than_there_is_is_fetched_anew(fake_hub: FakeHub, cache: Path) -> None:
    """Whatever wrote it."""
    fake_hub.repositories["org/gguf"] = {"a-Q4_K_M.gguf": b"abc"}
    etag = hashlib.sha1(b"abc", usedforsecurity=False).hexdigest()
    blobs = cache / "models--org--gguf" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{etag}.incomplete").write_bytes(b"longer")
    assert find(HubSource("org/gguf")).read_bytes() == b"abc"
    assert fake_hub.ranges == []


def test_a_hub_that_can_not_be_reached(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is no bug of ours: the source is to blame, and the message says so."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(EngineError, match="the Hub can't be asked") as failure:
        find(HubSource("org/name"))
    assert failure.value.reason is Reason.SOURCE
    assert not cache.exists()


def test_an_engine_runs_a_cached_model(tmp_path: Path) -> None:
    """By its Hub id, through HF_HUB_CACHE, without a network."""
    config = (write_config(tmp_path / "m") / "config.json").read_bytes()
    lay_out(tmp_path / "hub", "org/name", {"config.json": config})
    spec = EngineSpec(model="tiny", source="org/name", load_format="dummy")
    environment = {"HF_HUB_CACHE": str(tmp_path / "hub")}
    with EngineProcess(spec, tmp_path / "cache", environment=environment) as engine:
        assert engine.ready().vocabulary == 300


def test_an_engine_without_its_model_says_so(tmp_path: Path) -> None:
    """The reason is the source, and the message has its name."""
    spec = EngineSpec(model="tiny", source="org/name")
    environment = {"HF_HUB_CACHE": str(tmp_path / "hub")}
    with EngineProcess(spec, tmp_path / "cache", environment=environment) as engine:
        failing = engine.failing()
    assert failing.reason is Reason.SOURCE
    assert "org/name is not in the cache" in failing.message
