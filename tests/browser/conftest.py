"""A browser that looks at a real daemon."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from browser.chromium import MISSING, Browser
from integration.daemon import RunningDaemon

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts a browser takes too long for every change."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.long)
            item.add_marker(pytest.mark.skipif(bool(MISSING), reason=MISSING))


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[RunningDaemon]:
    """A daemon that a test configures and starts; it is gone when the test is over."""
    running = RunningDaemon(tmp_path)
    yield running
    await running.end()


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with Browser(tmp_path) as browser:
        yield browser
