"""What tests of several packages share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model_cache() -> Path:
    """Where converted weights stay from one run of the tests to the next."""
    directory = Path(__file__).parent.parent / ".cache"
    directory.mkdir(exist_ok=True)
    return directory
