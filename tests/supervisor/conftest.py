"""A manager with fake processes for every test that asks for one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.managed import Managed, manage


@pytest.fixture
def managed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Managed]]:
    """Makes a manager for the text of a file; its address of the API is any free one."""
    made: list[Managed] = []

    def make(text: str) -> Managed:
        server = "" if "[server]" in text else '[server]\nlisten = ["127.0.0.1:0"]\n'
        made.append(manage(tmp_path, server + text, monkeypatch))
        return made[-1]

    yield make
    for each in made:
        each.sockets.close_all()
