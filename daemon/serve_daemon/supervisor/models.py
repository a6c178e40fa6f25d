"""A model as the supervisor holds it: its units, and what the file says of it."""

from dataclasses import dataclass

from serve_daemon.config.schema import Config
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.group import Group
from serve_daemon.supervisor.idleness import activity, may_sleep
from serve_daemon.supervisor.settings import engine_launches, engine_settings


@dataclass
class ModelUnit:
    unit: Group
    settings: Model
    created: int  # Unix seconds
    threads: int = 0  # what its engines were last told
    proven: Model | None = None  # what its serving engine was started with

    def follow(self, config: Config) -> None:
        """Keep the settings true to the unit, which goes back to what it had if a change fails."""
        if self.unit.spec == engine_launches(self.unit.name, self.settings, config):
            if self.unit.is_proven:
                self.proven = self.settings
        elif self.proven is not None:
            self.settings = self.proven
            self.unit.settings = engine_settings(self.proven, config)

    def sleep_if_idle(self) -> None:
        timeout = self.settings.idle_timeout
        if may_sleep([activity(each) for each in self.unit.units], timeout):
            self.unit.sleep(f"idle for {timeout:g} s")
