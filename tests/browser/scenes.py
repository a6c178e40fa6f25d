"""What the status page looks like: a daemon is brought into states that are worth a picture."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from browser.chromium import ENTER, Browser
from integration.daemon import RunningDaemon

UI = "[ui]\nenabled = true\n[control]\nwatch = false\n"
WIDE, NARROW = (1280, 840), (320, 1200)
SCHEMES = ("light", "dark")


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
        await self.browser.until_shown("Loading", self.card(self.world.starts))
        yield "loading"
        await self.reload(self.world.failed)
        await self.browser.until_shown("What to do", self.card(self.world.fails))
        yield "failed"

    async def ask(self, question: str) -> None:
        """Something in the chat; returns when the answer has become a few lines."""
        await self.browser.type("#chat-message", question + ENTER)
        await self.browser.until(
            "document.querySelector('.turn.assistant .said')?.textContent.length > 150"
        )
        await self.browser.until("document.querySelector('.rate dd').textContent > 0")

    async def reload(self, models: str) -> None:
        self.daemon.write(UI + self.world.served + models, fake=self.world.fake)
        await self.daemon.ask("Reload", wait=False)

    async def picture(self, name: str, directory: Path, *, scale: float = 1.0) -> list[Path]:
        """Files of the page as it is: wide, in light and dark."""
        files = [directory / f"ui-{name}-{scheme}.png" for scheme in SCHEMES]
        await self.browser.resize(*WIDE, scale=scale)
        for scheme, file in zip(SCHEMES, files, strict=True):
            await self.browser.prefer(color_scheme=scheme)
            await self.browser.screenshot(file)
        return files

    @staticmethod
    def card(model: str) -> str:
        """The selector of a model's card."""
        return f'article[aria-label="{model}"]'
