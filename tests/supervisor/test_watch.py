"""Changes of the files on disk, however they are made."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from serve_daemon.config.files import digests
from serve_daemon.supervisor import watch
from serve_daemon.supervisor.watch import changes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    directory = tmp_path / "etc"
    directory.mkdir()
    main = directory / "serve.toml"
    main.write_text("one = 1")
    return main


def in_place(file: Path) -> None:
    file.write_text("two = 2")


def by_renaming(file: Path) -> None:
    new = file.with_name("new")
    new.write_text("two = 2")
    new.replace(file)


def by_deleting(file: Path) -> None:
    file.unlink()


def by_a_drop_in(file: Path) -> None:
    directory = file.with_name("serve.toml.d")
    directory.mkdir(exist_ok=True)
    (directory / "10.toml").write_text("three = 3")


def watching(file: Path) -> AbstractAsyncContextManager[AsyncIterator[dict[str, str]]]:
    """Watch until the end of the block."""
    return aclosing(cast("Any", changes(file, digests(file))))


async def look_out(seen: AsyncIterator[dict[str, str]]) -> asyncio.Future[dict[str, str]]:
    """The next change; the watch has begun when this returns."""
    waiting = asyncio.ensure_future(cast("Any", anext(seen)))
    await asyncio.sleep(0)
    return cast("asyncio.Future[dict[str, str]]", waiting)


@pytest.fixture
def _events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen is seen by the kernel's events."""
    monkeypatch.setattr(watch, "LOOK_MILLISECONDS", 3_600_000)


@pytest.mark.usefixtures("_events_only")
@pytest.mark.parametrize("change", [in_place, by_renaming, by_deleting, by_a_drop_in])
async def test_a_change_is_seen(file: Path, change: Callable[[Path], None]) -> None:
    """By the content of what would be read."""
    async with watching(file) as seen:
        next_change = await look_out(seen)
        change(file)
        assert await next_change == digests(file)


@pytest.mark.usefixtures("_events_only")
async def test_drop_ins_are_seen_though_their_directory_came_later(file: Path) -> None:
    """The second file in it is no less of a change than the first."""
    async with watching(file) as seen:
        next_change = await look_out(seen)
        by_a_drop_in(file)
        assert await next_change == digests(file)
        next_change = await look_out(seen)
        (file.with_name("serve.toml.d") / "20.toml").write_text("four = 4")
        assert await next_change == digests(file)


@pytest.mark.usefixtures("_events_only")
async def test_a_link_that_is_switched_is_seen(tmp_path: Path) -> None:
    """As a mounted configuration is updated; and the new target is watched, too."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "serve.toml").write_text(f'name = "{name}"')
    data, file = tmp_path / "data", tmp_path / "serve.toml"
    data.symlink_to("first")
    file.symlink_to("data/serve.toml")
    async with watching(file) as seen:
        next_change = await look_out(seen)
        (tmp_path / "switched").symlink_to("second")
        (tmp_path / "switched").replace(data)
        assert await next_change == digests(file)
        next_change = await look_out(seen)
        (tmp_path / "second" / "serve.toml").write_text("last = 1")
        assert await next_change == digests(file)


async def test_what_changed_before_the_watch_began_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything lost where there are no events."""
    monkeypatch.setattr(watch, "LOOK_MILLISECONDS", 1)
    async with watching(file) as seen:
        in_place(file)
        assert await anext(seen) == digests(file)


def touch_without_a_change(file: Path) -> None:
    file.write_text(file.read_text())
    file.with_name("notes").write_text("x")
    file.with_name("other.toml").write_text("x = 1")


@pytest.mark.usefixtures("_events_only")
async def test_the_same_content_is_no_change(file: Path) -> None:
    """Neither is a file that is no part of the configuration."""
    async with watching(file) as seen:
        next_change = await look_out(seen)
        touch_without_a_change(file)
        in_place(file)
        assert await next_change == digests(file)
