"""What the tests of the configuration share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is slow, not wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """The path of a main file, in a directory of its own."""
    return tmp_path / "serve.toml"


@pytest.fixture
def write(main: Path) -> Callable[..., Path]:
    """Writes the main file and drop-ins: `write(text, a="...")` makes serve.toml.d/a.toml too."""

    def write(text: str, **drop_ins: str) -> Path:
        main.write_text(text)
        directory = main.with_name("serve.toml.d")
        for name, content in drop_ins.items():
            directory.mkdir(exist_ok=True)
            (directory / f"{name}.toml").write_text(content)
        return main

    return write
