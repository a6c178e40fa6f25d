"""A real daemon, started as a user would start it, in directories of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.daemon import RunningDaemon


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[RunningDaemon]:
    """A daemon that a test configures and starts; it is gone when the test is over."""
    running = RunningDaemon(tmp_path)
    yield running
    await running.end()
