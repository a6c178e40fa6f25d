"""The fake engine behaves as it is told, so that tests which rely on it mean something."""

import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.artefacts import make_tokenizer
from fakes.behaviour import Author, Behaviour, counting, read_source
from fakes.children import EngineChild
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.messages import Drain, EngineHeartbeat, Failing, Progress, Reason


@pytest.fixture
async def supervisor() -> AsyncIterator[FakeSupervisor]:
    with tempfile.TemporaryDirectory(prefix="fe") as directory:
        supervisor = FakeSupervisor(Path(directory))
        yield supervisor
        await supervisor.end()


def test_knobs_are_read_from_the_source() -> None:
    """With their types; what is no knob is refused."""
    assert read_source("fake:") == Behaviour()
    assert read_source("fake:load=0.5,text=count,eos=0") == Behaviour(load=0.5, text="count", eos=0)
    with pytest.raises(ValueError, match="colour"):
        read_source("fake:colour=red")
    with pytest.raises(ValueError, match="no source of a fake engine"):
        read_source("org/name")


@pytest.mark.parametrize("text", ["count", "echo"])
def test_a_text_goes_on_wherever_it_was_cut(text: str) -> None:
    """So a resubmitted sequence can be told from one that lost or doubled a token."""
    tokenizer = make_tokenizer()
    author = Author(text, 0)
    prompt = tokenizer.encode("<|user|>the 😀 is here<|end|><|assistant|>").ids
    whole = [token for token, _ in zip(author.write(prompt), range(30), strict=False)]
    for cut in range(30):
        rest = author.write([*prompt, *whole[:cut]])
        assert [token for token, _ in zip(rest, range(30 - cut), strict=False)] == whole[cut:]
    spoken = tokenizer.decode(whole)
    assert spoken == (counting(30) if text == "count" else "the 😀 is here")


async def test_it_loads_beats_and_leaves_when_drained(supervisor: FakeSupervisor) -> None:
    """As the contract of the wire says."""
    engine = await supervisor.start_engine("fake:load=0.1")
    assert isinstance(engine.said[0], Progress)
    kinds = [type(message) for message in engine.said]
    assert EngineHeartbeat in kinds  # also while it loads
    engine.peer.send(Drain())
    assert await engine.process.wait() == 0


async def stopped(engine: EngineChild) -> int:
    engine.kill(signal.SIGTERM)
    return await engine.process.wait()


async def test_sigterm_ends_it_at_once(supervisor: FakeSupervisor) -> None:
    """With status 0."""
    assert await stopped(await supervisor.start_engine("fake:")) == 0


async def test_sigterm_may_be_ignored(supervisor: FakeSupervisor) -> None:
    """It beats on."""
    engine = await supervisor.start_engine("fake:ignore_sigterm=1")
    engine.kill(signal.SIGTERM)
    count = len(engine.said)
    await engine.until(lambda: len(engine.said) > count + 2)
    assert engine.process.returncode is None


async def test_the_end_of_the_link_ends_it(supervisor: FakeSupervisor) -> None:
    """The supervisor is gone."""
    engine = await supervisor.start_engine("fake:ignore_sigterm=1")
    engine.peer.close()
    assert await engine.process.wait() == 0


async def test_it_fails_with_a_reason(supervisor: FakeSupervisor) -> None:
    """Its last words, and status 1."""
    engine = await supervisor.begin_engine("fake:fail=source")
    failing = await engine.until_said(Failing)
    assert failing.reason is Reason.SOURCE
    assert await engine.process.wait() == 1


async def test_it_crashes_while_it_loads(supervisor: FakeSupervisor) -> None:
    """With another status and without a word."""
    engine = await supervisor.begin_engine("fake:crash_loading=1")
    assert await engine.process.wait() == 3
    assert not any(isinstance(message, Failing) for message in engine.said)
