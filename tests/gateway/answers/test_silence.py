"""Answers of which nothing can be told for a while."""

import time

import pytest

from serve_daemon.gateway.answers.silence import LONGEST_SECONDS, Silence
from serve_daemon.gateway.common.pieces import Text


def test_of_nothing_a_client_hears_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it last heard something; what there is is told at once."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    silence = Silence()
    assert not silence.is_over([])
    now += LONGEST_SECONDS
    assert silence.is_over([])
    assert not silence.is_over([])
    assert silence.is_over([Text("a")])
    now += LONGEST_SECONDS / 2
    assert not silence.is_over([])
