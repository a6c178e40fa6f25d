"""What holds for a model."""

import pytest

from config.loading import loaded
from serve_daemon.config.resolve import effective_profile, model_chain, setter
from serve_daemon.config.tuning import Model, Tuning

TEXT = """
[profiles.base]
max_requests = 1
max_queue = 1
threads = 1
[profiles.middle]
extends = "base"
max_queue = 2
threads = 2
[models.m]
profile = "middle"
threads = 3
aliases = ["x"]
"""


def test_the_nearest_table_that_sets_a_key_wins() -> None:
    """The model, then its profile, then what that extends, then the default."""
    model = loaded(TEXT).models["m"]
    assert (model.threads, model.max_queue, model.max_requests) == (3, 2, 1)
    assert model.hang_timeout == Model().hang_timeout
    assert (model.source, model.profile, model.aliases) == ("m", "middle", ["x"])


def test_a_value_that_is_set_to_the_default_overrides_a_profile() -> None:
    """Setting a key counts, not whether it differs from the default."""
    default = Model().threads
    text = f"profiles.p.threads = 3\n[models.m]\nprofile = 'p'\nthreads = {default}"
    assert loaded(text).models["m"].threads == default


def test_every_key_is_filled_in() -> None:
    """Nobody who reads a model looks for defaults elsewhere."""
    model = loaded(TEXT).models["m"]
    assert all(getattr(model, key) is not None for key in Model.model_fields)


def test_a_profile_has_what_it_extends() -> None:
    """Seen alone, without a model."""
    profile = effective_profile(loaded(TEXT).config, "middle")
    assert (profile.threads, profile.max_requests, profile.extends) == (2, 1, "base")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("threads", ("models", "m", "threads")),
        ("max_queue", ("profiles", "middle", "max_queue")),
        ("max_requests", ("profiles", "base", "max_requests")),
        ("dtype", None),
    ],
)
def test_who_sets_a_key_is_known(key: str, path: tuple[str, ...] | None) -> None:
    """So that a problem is told where it can be repaired."""
    assert key in Tuning.model_fields
    assert setter(model_chain(loaded(TEXT).config, "m"), key) == path
