"""The configuration as it holds: every key of every table, profiles and defaults applied."""

from typing import Any

from serve_daemon.config.load import Loaded
from serve_daemon.config.resolve import effective_profile


def effective(loaded: Loaded) -> dict[str, Any]:
    """A tree of tables that TOML can hold, and that loads to the same models again."""
    config = loaded.config
    tree = config.model_dump(mode="json", exclude={"profiles", "models"})
    tree["profiles"] = {
        name: effective_profile(config, name).model_dump(mode="json") for name in config.profiles
    }
    tree["models"] = {name: model.model_dump(mode="json") for name, model in loaded.models.items()}
    return tree
