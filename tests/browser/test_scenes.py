"""The page in every state that a daemon has, as people see it, and as programs read it to them."""

import asyncio
from pathlib import Path

import pytest

from browser.chromium import Browser
from browser.scenes import FAKE, NARROW, SCHEMES, Scenes
from integration.daemon import RunningDaemon

AXE = Path(__file__).parents[1] / "conformance/node/node_modules/axe-core/axe.min.js"
RUN_AXE = "axe.run({resultTypes: ['violations']}).then(arguments[arguments.length - 1])"


@pytest.fixture
async def scenes(daemon: RunningDaemon, browser: Browser) -> Scenes:
    scenes = Scenes(daemon, browser, FAKE)
    await scenes.begin()
    return scenes


async def test_every_state_is_shown(scenes: Scenes, tmp_path: Path) -> None:
    """With pictures of each, in light and dark and narrow, and nothing that the console laments."""
    seen = {}
    async for name in scenes.all():
        pictures = [
            await scenes.picture(tmp_path / f"{name}-{scheme}.png", scheme) for scheme in SCHEMES
        ]
        seen[name] = await scenes.browser.value("document.querySelector('main').innerText")
        assert all(path.stat().st_size > 10_000 for path in pictures)
    assert "1 of 2 ready" in seen["idle"]
    assert "The next request wakes it." in seen["idle"]
    assert "1 2 3 4 5" in seen["serving"]
    assert "tokens/s · first after" in seen["serving"]
    assert "Loading fake:load=600" in seen["loading"]
    assert "the fake engine was told to fail" in seen["failed"]
    assert "servectl start qwen" in seen["failed"]
    assert str(scenes.daemon.file) in seen["failed"]
    assert await scenes.browser.value("document.title") == "(1 failed) serve-daemon"
    assert await scenes.browser.complaints() == []


async def test_a_narrow_window_has_all_of_it(scenes: Scenes, tmp_path: Path) -> None:
    """At 320 pixels nothing stands beyond the edge, whatever state a model is in."""
    async for name in scenes.all():
        await scenes.picture(tmp_path / f"{name}-narrow.png", "dark", NARROW)
        assert await scenes.browser.value("document.documentElement.scrollWidth") == NARROW[0]
        beyond = await scenes.browser.value(
            "[...document.querySelectorAll('main *:not(.bar *):not(.line *):not(option)')]"
            ".filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest('.scroll'))"
            ".map(e => e.outerHTML)"
        )
        assert beyond == []


@pytest.mark.skipif(not AXE.exists(), reason="make conformance installs axe-core")
async def test_axe_finds_no_fault(scenes: Scenes) -> None:
    """In any state, light or dark."""
    axe = await asyncio.to_thread(AXE.read_text)
    await scenes.browser.run(f"{axe};arguments[arguments.length - 1](true)")
    async for name in scenes.all():
        for scheme in SCHEMES:
            await scenes.browser.prefer(color_scheme=scheme, reduced_motion="reduce")
            found = await scenes.browser.run(RUN_AXE)
            assert {name: told(found["violations"])} == {name: []}


def told(violations: list[dict[str, object]]) -> list[object]:
    return [(each["id"], each["help"], each["nodes"]) for each in violations]
