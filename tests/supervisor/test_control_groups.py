"""What control groups are called, what is written into them, and who is killed first."""

import pytest

from serve_daemon.config.schema import Config
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.control_groups import (
    LONGEST_NAME,
    SUPERVISOR,
    Kills,
    Rank,
    Resources,
    group_name,
    kills,
    limits,
    oom_score,
    resources,
    without_effect,
)

BOTH = ("cpu", "memory")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("smollm2", "engine-smollm2-e7"),
        ("Qwen/Qwen3-0.6B", "engine-Qwen_Qwen3-0.6B-e7"),
        ("..", "engine-..-e7"),
        ("模型", "engine-模型-e7"),
        ("supervisor", "engine-supervisor-e7"),
        ("a*b?c\\d", "engine-a_b_c_d-e7"),
    ],
)
def test_a_group_is_called_as_the_model(model: str, name: str) -> None:
    """With the engine's id, by which no two are alike, and nothing that a path can't have."""
    assert group_name("e7", model) == name


def test_any_name_fits_into_a_directory() -> None:
    """A file's name may have 255 bytes; the id is never what is cut."""
    name = group_name("e123456", "名" * 400)
    assert len(name.encode()) < 255
    assert name == f"engine-{'名' * LONGEST_NAME}-e123456"


def test_a_gateway_has_a_group_too() -> None:
    """Beside the daemon's own."""
    assert group_name("g1") == "gateway-g1"
    assert SUPERVISOR not in {group_name("g1"), group_name("e1", SUPERVISOR)}


def test_what_the_file_says_is_what_is_written() -> None:
    """As the kernel reads it; what is over its memory is killed whole, and not swapped out."""
    model = Model.model_validate({"memory_max": "1GiB", "cpu_weight": 300})
    assert limits(resources(model), BOTH) == {
        "memory.oom.group": "1",
        "memory.swap.max": "0",
        "memory.max": "1073741824",
        "cpu.weight": "300",
    }


def test_a_limit_is_taken_back() -> None:
    """By the word for none: a running engine may have had one."""
    written = limits(resources(Config(models={"m": Model()}).models["m"]), BOTH)
    assert (written["memory.max"], written["memory.swap.max"]) == ("max", "max")
    assert written["cpu.weight"] == "100"


@pytest.mark.parametrize(
    ("controllers", "missing"),
    [(BOTH, []), (("cpu",), ["memory_max"]), ((), ["memory_max", "cpu_weight"])],
)
def test_what_has_no_controller_has_no_effect(
    controllers: tuple[str, ...], missing: list[str]
) -> None:
    """And is not written either."""
    wanted = Resources(memory_max=1, cpu_weight=1)
    assert without_effect(wanted, controllers) == missing
    kinds = {name.partition(".")[0] for name in limits(wanted, controllers)}
    assert kinds == set(controllers)
    assert without_effect(Resources(), ()) == []


@pytest.mark.parametrize("own", [-1000, -500, -100, 0, 150, 900, 1000])
def test_engines_are_killed_before_gateways_and_those_before_the_daemon(own: int) -> None:
    """Whatever the daemon itself was given; and never does a child get less."""
    scores = [oom_score(own, rank) for rank in (Rank.GATEWAY, Rank.ENGINE)]
    assert own <= scores[0] <= scores[1] <= 1000
    assert own >= 900 or own < scores[0] < scores[1]


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ({}, Kills()),
        ({"max": 40, "oom": 0, "oom_kill": 0}, Kills()),
        ({"max": 40, "oom": 1, "oom_kill": 3}, Kills(3, is_own_limit=True)),
        ({"oom": 0, "oom_kill": 1}, Kills(1)),
    ],
)
def test_whose_limit_was_hit_stands_in_the_events(events: dict[str, int], found: Kills) -> None:
    """The kernel counts an oom where the limit is, and a kill where the process was."""
    assert kills(events) == found
