"""What tests of several packages share."""

import signal
from pathlib import Path

import pytest

# A shell that runs the tests in the background has them ignore SIGINT, and so the programs that
# they start; a handler here lets those begin with the signal as a terminal would give it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def model_cache() -> Path:
    """Where converted weights stay from one run of the tests to the next."""
    directory = Path(__file__).parent.parent / ".cache"
    directory.mkdir(exist_ok=True)
    return directory
