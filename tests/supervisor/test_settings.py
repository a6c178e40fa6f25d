"""From the words of the file to those of the processes: nothing is lost on the way."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from serve_daemon.config.keys import effect_of
from serve_daemon.config.schema import Config, EngineProgram, Metrics, Responses, Server
from serve_daemon.config.tables import Effect
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.instance import Limits
from serve_daemon.supervisor.restarts import RestartPolicy
from serve_daemon.supervisor.settings import (
    engine_launches,
    engine_settings,
    gateway_settings,
    gateway_specs,
    gateway_unit_settings,
)

OTHER: dict[type, Any] = {int: 7, str: "other", bool: True, float: 7.0}
DEFAULTS = Model(source="s")
STATE = Path("/state")


def other(value: Any) -> Any:
    """A value that differs."""
    if isinstance(value, list):
        return [*value, "other:1"]
    return not value if isinstance(value, bool) else OTHER[float if value % 1 else int]


def changed(table: Any, key: str) -> Any:
    value = getattr(table, key)
    different = "other" if isinstance(value, str) else other(value)
    return table.model_copy(update={key: different})


def keys_with(table: type[Any], effect: Effect) -> list[str]:
    return [key for key, field in table.model_fields.items() if effect_of(field) is effect]


@pytest.mark.parametrize("key", keys_with(Model, Effect.REPLACE))
def test_what_takes_a_new_engine_is_part_of_its_launch(key: str) -> None:
    """Else the reload would replace nothing, and call it done."""
    before = engine_launches("m", DEFAULTS, Config())
    assert engine_launches("m", changed(DEFAULTS, key), Config()) != before


@pytest.mark.parametrize("key", keys_with(Model, Effect.UPDATE))
def test_what_is_live_is_no_part_of_the_launch(key: str) -> None:
    """Else an engine would be replaced for an alias."""
    before = engine_launches("m", DEFAULTS, Config())
    assert set(engine_launches("m", changed(DEFAULTS, key), Config())) == set(before)


def test_the_interpreter_is_part_of_the_launch() -> None:
    """By default it is the daemon's own."""
    config = Config(engine=EngineProgram(python="/engine/python"))
    assert engine_launches("m", DEFAULTS, config)[0].python == "/engine/python"
    assert engine_launches("m", DEFAULTS, Config())[0].python.endswith("python")


@pytest.mark.parametrize("key", Server.model_fields)
def test_every_key_of_server_reaches_the_gateway(key: str) -> None:
    """Those that take a new gateway by its spec, the others by its settings."""
    config = Config(server=changed(Server(), key))
    is_replaced = key in keys_with(Server, Effect.REPLACE)
    assert (set(gateway_specs(config, "")) != set(gateway_specs(Config(), ""))) is is_replaced
    if not is_replaced:
        assert gateway_settings(config, STATE) != gateway_settings(Config(), STATE)


@pytest.mark.parametrize("key", Metrics.model_fields)
def test_every_key_of_metrics_takes_a_new_gateway(key: str) -> None:
    """Which has its listeners, and the path where they answer."""
    config = Config(metrics=changed(Metrics(), key))
    assert set(gateway_specs(config, "")) != set(gateway_specs(Config(), ""))


def test_metrics_that_are_off_have_neither_path_nor_listeners() -> None:
    """Whatever else is said of them."""
    config = Config(metrics=Metrics(enabled=False, listen=["127.0.0.1:1"]))
    (spec,) = gateway_specs(config, "")
    assert spec.addresses == tuple(config.server.listen)
    assert gateway_settings(config, STATE).metrics_path == ""
    assert gateway_settings(Config(), STATE).metrics_path == "/metrics"


@pytest.mark.parametrize("key", Responses.model_fields)
def test_every_key_of_responses_reaches_the_gateway(key: str) -> None:
    """Live, with the directory that they are kept in."""
    config = Config(responses=changed(Responses(), key))
    assert gateway_settings(config, STATE) != gateway_settings(Config(), STATE)
    assert gateway_settings(config, STATE).state_directory == "/state"
    assert gateway_specs(config, "") == gateway_specs(Config(), "")


def test_limits_and_restarts_are_the_models() -> None:
    """The time to drain is the server's."""
    model = Model(
        start_timeout=1.0,
        hang_timeout=3.5,
        restart_delay=3.0,
        restart_delay_max=4.0,
        start_limit=5,
        start_limit_interval=6.0,
    )
    settings = engine_settings(model, Config(server=Server(drain_timeout=7.0)))
    assert settings.limits == Limits(start_seconds=1.0, hang_seconds=3.5, drain_seconds=7.0)
    assert settings.restarts == RestartPolicy(3.0, 4.0, 5, 6.0)


def test_the_gateway_is_never_given_up() -> None:
    """Without it nobody is served."""
    settings = gateway_unit_settings(Config(server=Server(drain_timeout=7.0)))
    assert settings.restarts.limit is None
    assert settings.limits.drain_seconds == 7.0


def test_a_launch_is_a_value() -> None:
    """Equal configurations make equal launches, so that nothing is replaced without need."""
    first, second = (engine_launches("m", Model(source="s"), Config())[0] for _ in range(2))
    assert first == second
    assert msgspec.structs.asdict(first.spec)["source"] == "s"


def test_there_is_a_launch_for_each_replica_and_each_worker() -> None:
    """As many as the file says."""
    assert len(engine_launches("m", Model(source="s", replicas=3), Config())) == 3
    assert len(gateway_specs(Config(server=Server(workers=2)), "")) == 2


def test_the_devices_are_given_to_the_replicas_in_turn() -> None:
    """And each engine is told of its own alone."""
    model = Model(source="s", replicas=3, device=["cuda:0", "cuda:1"])
    launches = engine_launches("m", model, Config())
    assert [each.spec.device for each in launches] == ["cuda:0", "cuda:1", "cuda:0"]
