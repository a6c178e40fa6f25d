"""Who judges the API, and by which command."""

import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PYTHON = ROOT / ".venv-conformance" / "bin" / "python"
COMPLY = PYTHON.with_name("llm-comply")
NODE = HERE / "node"


class Served(Struct, frozen=True):
    """What there is to judge."""

    url: str
    key: str
    model: str
    embedding_model: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CONFORMANCE_URL": self.url,
            "CONFORMANCE_KEY": self.key,
            "CONFORMANCE_MODEL": self.model,
            "CONFORMANCE_EMBEDDING_MODEL": self.embedding_model,
        }


class Judge(Struct, frozen=True):
    """One program whose exit status is its verdict."""

    name: str
    command: Callable[[Served], list[str]]
    folder: Path = HERE
    attempts: int = 1  # of which one must be good: some ask what a model of 135M says by luck


def llmprobe(*arguments: str) -> Callable[[Served], list[str]]:
    """The MUST checks of llmprobe."""

    def command(served: Served) -> list[str]:
        program = ["node_modules/.bin/llmprobe", f"{served.url}/v1", "-k", served.key]
        quiet = ["--no-bench", "--no-save", "--no-color"]
        return [*program, "-m", served.model, *quiet, *arguments]

    return command


def llm_comply(form: str) -> Callable[[Served], list[str]]:
    """The cases of llm-comply for one form of the API."""

    def command(served: Served) -> list[str]:
        where = ["-u", f"{served.url}/v1", "-k", served.key, "-m", served.model]
        return [str(COMPLY), "run", *where, "--format", form]

    return command


def pytest(*paths: str) -> Callable[[Served], list[str]]:
    """Tests that run in the environment of the SDKs."""

    def command(_served: Served) -> list[str]:
        plain = ["-q", "-p", "no:cacheprovider", "--rootdir=.", "-c", "pytest.ini"]
        return [str(PYTHON), "-m", "pytest", *plain, *paths]

    return command


def node(*paths: str) -> Callable[[Served], list[str]]:
    """Tests of Node's own runner."""
    return lambda _served: ["node", "--test", *paths]


def schemathesis(document: str) -> Callable[[Served], list[str]]:
    """Odd requests by a document of the API, to fake engines of a daemon of its own."""
    return lambda _served: [sys.executable, "-m", "conformance.fuzzing", document]


def fuzzing(document: str) -> Callable[[Served], list[str]]:
    """Schemathesis over our own document, or over OpenAI's, on a daemon with a fake engine."""
    return lambda _served: [sys.executable, "-m", "conformance.fuzzing", document]


JUDGES = (
    Judge("llmprobe, quick", llmprobe("--quick"), NODE, attempts=3),
    Judge("llmprobe", llmprobe(), NODE, attempts=3),
    Judge("llm-comply, Open Responses", llm_comply("open-responses"), attempts=3),
    Judge("llm-comply, OpenAI's chat", llm_comply("openai-chat"), attempts=3),
    Judge("llm-comply, Anthropic", llm_comply("anthropic"), attempts=3),
    Judge("schemathesis, our document", schemathesis("ours"), HERE.parent),
    Judge("schemathesis, OpenAI's document", schemathesis("openai"), HERE.parent),
    Judge("SDKs of Python", pytest("sdks")),
    Judge("SDKs of Node", node("openai.test.mjs", "ai.test.mjs"), NODE),
    Judge("schemathesis, our document", fuzzing("ours"), HERE.parent),
    Judge("schemathesis, OpenAI's document", fuzzing("openai"), HERE.parent),
)
