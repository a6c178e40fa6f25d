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
    instructed_model: str  # the same, whose chat template begins with examples
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


def llmprobe_quick(served: Served) -> list[str]:
    """The first MUST checks of llmprobe."""
    return [*llmprobe(served), "-m", served.model, "--quick"]


def llmprobe_deep(served: Served) -> list[str]:
    """All of them, some of which ask a model to remember what it was told, and to say it again."""
    return [*llmprobe(served), "-m", served.instructed_model]


def llmprobe(served: Served) -> list[str]:
    """Without its measurements, and nothing is written down."""
    program = ["node_modules/.bin/llmprobe", f"{served.url}/v1", "-k", served.key]
    # Seconds for one request: its tasks with tools ask for long answers, and machines are busy.
    return [*program, "--no-bench", "--no-save", "--no-color", "--timeout", "300"]


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


def fuzzing(document: str) -> Callable[[Served], list[str]]:
    """Schemathesis over our own document, or over OpenAI's, on a daemon with a fake engine."""
    return lambda _served: [sys.executable, "-m", "conformance.fuzzing", document]


JUDGES = (
    Judge("llmprobe, quick", llmprobe_quick, NODE),
    Judge("llmprobe", llmprobe_deep, NODE),
    Judge("llm-comply, Open Responses", llm_comply("open-responses"), attempts=3),
    Judge("llm-comply, OpenAI's chat", llm_comply("openai-chat"), attempts=3),
    Judge("llm-comply, Anthropic", llm_comply("anthropic"), attempts=3),
    Judge("SDKs of Python", pytest("sdks")),
    Judge("SDKs of Node", node("openai.test.mjs", "ai.test.mjs"), NODE),
    Judge("schemathesis, our document", fuzzing("ours"), HERE.parent),
    Judge("schemathesis, OpenAI's document", fuzzing("openai"), HERE.parent),
)
