"""Wheels made by hand, small but real, and what stands for our code in an environment."""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from serve_daemon.cli import engine_building
from serve_daemon.cli.engine_locks import Lock

# A torch that says what it has; where it is told to, it says that it is there and waits.
TORCH = """
import os, signal
__version__ = "VERSION"
if "STUB_TORCH_STARTED" in os.environ:
    with open(os.environ["STUB_TORCH_STARTED"], "w") as told:
        told.write(f"{os.getpid()}\\n")
    signal.pause()
"""
BROKEN_TORCH = 'raise ImportError("libcudart.so.13: cannot open shared object file")'
# `python -m serve_daemon.engine --probe`, as far as an environment needs it to prove itself.
ENGINE = """
import json, sys, torch
versions = {"python": "%d.%d" % sys.version_info[:2], "torch": torch.__version__}
cpu = {"name": "cpu", "kind": "stub", "memory_bytes": 1, "dtypes": ["float32"]}
empty = {"attn_implementations": [], "engines": [], "quantization": []}
print(json.dumps({"versions": versions, "devices": [cpu]} | empty))
"""
HELPER = "answer = 42\n"


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def wheel(folder: Path, name: str, version: str, code: str, *, needs: str = "") -> Path:
    """A wheel of one module, with one script."""
    info = f"{name}-{version}.dist-info"
    require = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{require}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}run = {name}:main\n",
    }
    record = [f"{path},sha256={digest(text.encode())},{len(text)}" for path, text in files.items()]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as opened:
        for name_of_file, text in files.items():
            opened.writestr(name_of_file, text)
        opened.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return path


class Wheelhouse:
    """A folder of wheels, and locks of what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks = folder.parent
        self._helper = wheel(folder, "helper", "3.1", HELPER)

    def torch(self, version: str, code: str = TORCH) -> Path:
        """The lock of a torch of that version, which needs the helper."""
        made = wheel(
            self.folder, "torch", version, code.replace("VERSION", version), needs="helper"
        )
        return self.lock(f"lock-{version}.txt", made)

    def lock(self, name: str, made: Path, hashed: str = "") -> Path:
        """A lock of a wheel and the helper; `hashed` is what it says the wheel's hash is."""
        lines = []
        for each, told in ((made, hashed), (self._helper, "")):
            package, version, *_ = each.name.split("-")
            sha256 = told or hashlib.sha256(each.read_bytes()).hexdigest()
            lines.append(f"{package}=={version} \\\n    --hash=sha256:{sha256}\n")
        path = self._locks / name
        path.write_text("".join(lines))
        return path


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    return Wheelhouse(folder)


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What environments link to instead of the code of this command, which needs a real torch."""
    package = tmp_path / "code/serve_daemon"
    (package / "engine").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "engine/__init__.py").touch()
    (package / "engine/__main__.py").write_text(ENGINE)
    monkeypatch.setattr(engine_building, "PACKAGE", package)
    return package


def key(lock: Path, package: Path) -> str:
    """The name of the environment of a lock."""
    return Lock(str(lock), lock.read_text()).key(package)


def command(directory: Path, wheelhouse: Wheelhouse, lock: Path, package: Path) -> list[str]:
    """A servectl of its own that installs into `directory`."""
    program = (
        "import sys, pathlib; from serve_daemon.cli import engine_building;"
        " from serve_daemon.cli.servectl import main;"
        f" engine_building.PACKAGE = pathlib.Path({str(package)!r}); main()"
    )
    arguments = ["engine", "install", "--directory", str(directory), "--lock", str(lock)]
    return [sys.executable, "-c", program, *arguments, "--wheelhouse", str(wheelhouse.folder)]
