"""Loading texts, for tests."""

import pytest

from serve_daemon.config.load import Loaded, Sources, load
from serve_daemon.config.problems import ConfigError, Problem


def loaded(text: str) -> Loaded:
    """What a file with this text means."""
    return load(Sources(text=text))


def problems_of(sources: Sources) -> list[Problem]:
    """What is wrong with a configuration that must not load."""
    with pytest.raises(ConfigError) as refusal:
        load(sources)
    return refusal.value.problems
