"""servectl engine install: from a real wheelhouse, by a real pip, into a real environment."""

import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cli import wheelhouse as made_by_hand
from cli.fake_daemon import FakeDaemon
from cli.wheelhouse import Wheelhouse
from serve_daemon.cli import engine_building, engine_locks
from serve_daemon.cli.connection import EXIT_FAILED
from serve_daemon.cli.engine_environments import Environments

Servectl = Callable[..., Result]
Install = Callable[..., Result]

wheelhouse = made_by_hand.wheelhouse
own_code = made_by_hand.own_code
WAIT_SECONDS = 60.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "engine"


@pytest.fixture
def install(servectl: Servectl, wheelhouse: Wheelhouse, directory: Path, own_code: Path) -> Install:
    def run(lock: Path, *more: str) -> Result:
        where = ["--directory", str(directory), "--wheelhouse", str(wheelhouse.folder)]
        return servectl("engine", "install", *where, "--lock", str(lock), *more)

    return run


def left(directory: Path) -> set[str]:
    """What is in a directory of environments, beside the lock that nobody holds."""
    return {each.name for each in directory.iterdir()} - {".lock"}


def said(directory: Path, code: str) -> str:
    """What the current environment's Python prints."""
    python = directory / "current/bin/python"
    return subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_an_environment_of_what_is_locked(
    install: Install,
    servectl: Servectl,
    wheelhouse: Wheelhouse,
    directory: Path,
    own_code: Path,
) -> None:
    """It is there, it is current, it runs this command's code, and a second time does nothing."""
    lock = wheelhouse.torch("2.13.0")
    result = install(lock, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    name = made_by_hand.key(lock, own_code)
    assert (document["name"], document["is_current"], document["changed"]) == (name, True, True)
    assert document["versions"]["torch"] == "2.13.0"
    assert [each["name"] for each in document["devices"]] == ["cpu"]
    assert document["bytes"] > 0
    assert left(directory) == {name, "current"}
    code = "import torch, helper, serve_daemon; print(helper.answer, serve_daemon.__path__[0])"
    answer, path = said(directory, code).split()
    assert (answer, Path(path).resolve()) == ("42", own_code)
    assert not [each for each in (directory / name / "bin").iterdir() if "python" not in each.name]
    assert not list((directory / name).rglob(".under-way*"))

    before = (directory / name).stat()
    result = install(lock)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, f"{name} is current already")
    assert "reload" not in result.stderr
    assert (directory / name).stat() == before
    listed = servectl("engine", "list", "--directory", str(directory))
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [
        ["ENVIRONMENT", "STATE"],
        [name, "current"],
    ]


def test_a_file_of_another_hash_is_refused(
    install: Install, wheelhouse: Wheelhouse, directory: Path
) -> None:
    """And nothing of it is left."""
    wheelhouse.torch("2.13.0")
    torch = wheelhouse.folder / "torch-2.13.0-py3-none-any.whl"
    result = install(wheelhouse.lock("lock.txt", torch, hashlib.sha256(b"other").hexdigest()))
    assert (result.exit_code, result.stdout) == (EXIT_FAILED, "")
    assert result.stderr.endswith("pip has failed, see above: nothing has changed\n")
    assert left(directory) == set()


def test_one_that_does_not_work_is_not_switched_to(
    install: Install, wheelhouse: Wheelhouse, directory: Path, own_code: Path
) -> None:
    """The current one stays, and what its torch lacks is told."""
    good = wheelhouse.torch("2.13.0")
    assert install(good).exit_code == 0
    result = install(wheelhouse.torch("2.14.0", made_by_hand.BROKEN_TORCH))
    assert result.exit_code == EXIT_FAILED
    assert "ImportError: libcudart.so.13: cannot open shared object file" in result.stderr
    assert left(directory) == {made_by_hand.key(good, own_code), "current"}
    assert said(directory, "import torch; print(torch.__version__)") == "2.13.0\n"


def test_the_daemon_is_asked_to_take_it_up(
    install: Install, wheelhouse: Wheelhouse, daemon: FakeDaemon
) -> None:
    """With --reload; without, one is told how."""
    daemon.answers["Reload"] = [{"changes": []}]
    first, second = wheelhouse.torch("2.13.0"), wheelhouse.torch("2.14.0")
    assert "until servectl reload" in install(first).stderr
    assert daemon.calls == []
    assert install(second, "--reload").exit_code == 0
    assert daemon.calls == [("Reload", {"wait": True})]


def test_only_one_changes_a_directory(
    install: Install, wheelhouse: Wheelhouse, directory: Path
) -> None:
    """The other one is told at once."""
    lock = wheelhouse.torch("2.13.0")
    with Environments(directory).changing():
        result = install(lock)
    assert (result.exit_code, result.stderr) == (
        EXIT_FAILED,
        f"another servectl changes {directory}: wait until it has ended\n",
    )
    assert left(directory) == set()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_one_that_is_interrupted_leaves_nothing_half_done(
    number: signal.Signals,
    status: int,
    install: Install,
    wheelhouse: Wheelhouse,
    directory: Path,
) -> None:
    """Neither files nor programs; even when it is killed, the next one works."""
    own_code = engine_building.PACKAGE
    lock, started = wheelhouse.torch("2.13.0"), directory.with_name("started")
    os.mkfifo(started)
    command = made_by_hand.command(directory, wheelhouse, lock, own_code)
    environment = os.environ | {"STUB_TORCH_STARTED": str(started)}
    with subprocess.Popen(command, env=environment) as servectl:
        try:
            trial = os.pidfd_open(int(started.read_text()))  # it is there, and waits
            servectl.send_signal(number)
            assert servectl.wait(WAIT_SECONDS) == status
        finally:
            servectl.kill()
    assert select.select([trial], [], [], WAIT_SECONDS)[0]
    os.close(trial)
    assert not (directory / "current").exists()
    if number is not signal.SIGKILL:
        assert left(directory) == set()
        return
    assert left(directory) != set()
    assert install(lock).exit_code == 0
    assert left(directory) == {made_by_hand.key(lock, own_code), "current"}


def test_what_has_no_room_is_not_begun(
    install: Install, wheelhouse: Wheelhouse, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is free is looked at first."""
    usage = shutil.disk_usage(directory.parent)._replace(free=5)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    result = install(wheelhouse.torch("2.13.0"))
    assert result.exit_code == EXIT_FAILED
    assert "are needed and 5B are free; servectl engine remove" in result.stderr
    assert left(directory) == set()


def test_pip_may_be_the_system_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The Debian package has none of its own."""
    monkeypatch.setattr("importlib.machinery.PathFinder.find_spec", lambda _: None)
    monkeypatch.setattr(engine_building, "_WHEELS", (tmp_path,))
    (tmp_path / "pip-23.0.1-py3-none-any.whl").touch()
    python, *_, program = engine_building._pip(tmp_path)
    assert (python, program) == (
        str(tmp_path / "bin/python"),
        str(tmp_path / "pip-23.0.1-py3-none-any.whl/pip"),
    )


def test_a_lock_that_is_not_there(servectl: Servectl, directory: Path) -> None:
    """Those that are there are named."""
    result = servectl("engine", "install", "--directory", str(directory), "--lock", "vulkan")
    assert result.exit_code == EXIT_FAILED
    assert "this version has: cuda" in result.stderr
    assert not directory.exists()


def test_what_is_locked_is_what_the_project_locks(servectl: Servectl) -> None:
    """All that engines need, in the versions that everything is tested with, each with a hash."""
    root = Path(__file__).resolve().parents[2]
    text = (root / "requirements.lock").read_text()
    tested = engine_locks.Lock("tested", text).packages
    locked = engine_locks.Lock("cuda", servectl("engine", "lock").stdout)
    assert {name: tested.get(name, version) for name, version in locked.packages.items()} == (
        locked.packages
    )
    needed = {"torch", "transformers", "accelerate", "bitsandbytes", "gguf", "msgspec", "structlog"}
    assert needed <= locked.packages.keys()
    entries = [each for each in locked.text.split("\n") if "==" in each and each[0] != "#"]
    assert len(entries) == len(locked.packages)
    assert all(each.endswith("\\") for each in entries)
    assert locked.needed_bytes(None) > 10**9
