"""A model as the supervisor holds it: its units, and what the file says of it."""

from dataclasses import dataclass

from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.group import Group


@dataclass
class ModelUnit:
    unit: Group
    settings: Model
    created: int  # Unix seconds
    threads: int = 0  # what its engines were last told
    proven: Model | None = None  # what its serving engine was started with
