"""A real gateway process on loopback, with the supervisor's and the engines' parts played."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import openai
import pytest
import pytest_asyncio

from fakes.supervisor import FakeSupervisor

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a module share a loop, so that they can share a gateway."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("asyncio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_supervisor() -> AsyncIterator[FakeSupervisor]:
    # Not tmp_path: the path of a Unix socket is at most 107 bytes long.
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        supervisor = FakeSupervisor(Path(directory))
        yield supervisor
        await supervisor.end()


@pytest_asyncio.fixture(loop_scope="module")
async def supervisor(shared_supervisor: FakeSupervisor) -> FakeSupervisor:
    """A gateway with the default settings that knows no model, and no engine."""
    await shared_supervisor.reset()
    return shared_supervisor


@pytest_asyncio.fixture(loop_scope="module")
async def client(supervisor: FakeSupervisor) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of that gateway."""
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(supervisor: FakeSupervisor) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's own client, which validates every reply strictly."""
    async with openai.AsyncOpenAI(
        base_url=f"{supervisor.url}/v1",
        api_key="any",
        max_retries=0,
        _strict_response_validation=True,
    ) as sdk:
        yield sdk
