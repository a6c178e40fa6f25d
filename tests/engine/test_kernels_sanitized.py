"""The operators' own tests, once more, with every access of memory watched."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serve_daemon.engine.kernels import build

HERE = Path(__file__).parent
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
TESTS = (
    "kernels_block_linear",
    "kernels_linear",
    "kernels_attention",
    "kernels_attention_random",
    "kernels_int8_attention",
    "kernels_blocks",
    "drawing",
)
CALLED = "operators called: "
WITH_LIBRARY = f"""
import sys, pathlib, pytest
from torch._ops import OpOverloadPacket
from serve_daemon.engine.kernels import build
library = build.BUILT_AHEAD = pathlib.Path(sys.argv[1])
assert build.load(library.parent) and build._loaded == {{library}}
called, call = set(), OpOverloadPacket.__call__
def recorded(operator, /, *arguments, **options):
    called.add(operator.__name__)
    return call(operator, *arguments, **options)
OpOverloadPacket.__call__ = recorded
status = pytest.main(sys.argv[2:])
print("\\n{CALLED}" + " ".join(called))
sys.exit(status)
"""


def where(library: str) -> str:
    return subprocess.check_output(["g++", f"-print-file-name={library}"], text=True).strip()


def registered() -> set[str]:
    """The names of all operators that are there in C++."""
    sources = "".join(each.read_text() for each in build.SOURCES.glob("*.cpp"))
    return set(re.findall(r'm\.impl\("(\w+)"', sources))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_nothing_is_read_or_written_beyond_its_end(
    model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By AddressSanitizer and UBSan, in every operator and on every path that this CPU has.

    Whatever they find ends the process.
    """
    flags = ["-O1" if flag == "-O3" else flag for flag in build.FLAGS]  # -O3 takes minutes
    monkeypatch.setattr(build, "FLAGS", flags)
    library = build.build(f"g++ {SANITIZERS}", model_cache / "sanitized")
    # The second is what throws exceptions, which the first must find when it begins.
    runtime = " ".join(map(where, ("libasan.so", "libstdc++.so")))
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime,
        # Python keeps what it has until it ends.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    files = [str(HERE / f"test_{name}.py") for name in TESTS]
    options = ["-q", "-x", "-s", "-m", "not long", "--timeout=900"]
    command = [sys.executable, "-c", WITH_LIBRARY, str(library), *options, *files]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert " passed" in ran.stdout
    assert registered() <= set(ran.stdout.partition(CALLED)[2].split())
    assert "slot_attention" in registered()
