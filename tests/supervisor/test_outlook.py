"""What a plan is expected to take of memory, by what runs and what is wanted."""

from collections.abc import Callable

import pytest

from fakes.managed import Managed
from fakes.rooms import GIBIBYTE
from serve_daemon.config.estimate import Estimate
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor import manager
from serve_daemon.supervisor.machine import Need, model_of
from serve_daemon.supervisor.programs import EngineLaunch
from serve_daemon.supervisor.reload import Instead
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.under_way import Step

Make = Callable[[str], Managed]


class Machine:
    """An engine takes 1 GiB for each of its requests; nothing is known of source "later"."""

    def __init__(self, _cache_directory: str) -> None: ...

    def need(self, launch: EngineLaunch) -> Need | None:
        if launch.spec.source == "later":
            return None
        model = model_of(launch.spec)
        device = launch.spec.device.replace("auto", "cpu")
        estimate = self.estimate(launch, model)
        return Need(device, estimate, model, estimate.total)

    def estimate(self, _launch: EngineLaunch, model: Model) -> Estimate:
        return Estimate(0, 0, model.max_requests * GIBIBYTE, 0)

    def free(self, _device: str) -> int | None:
        return None


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "ThisMachine", Machine)


def text(*models: str, limit: int = 10) -> str:
    """Each model as "NAME KEY=VALUE ..."."""
    tables = [each.split() for each in models]
    written = [
        "\n".join([f'[models.{name}]\nsource = "/models/m"', *keys]) for name, *keys in tables
    ]
    return "\n".join([f'[engine]\nmemory_limit = "{limit}GiB"', *written])


def planned(world: Managed, new: str) -> dict[str, Step]:
    server = '[server]\nlisten = ["127.0.0.1:0"]\n'
    return {each.subject: each for each in world.reloader.preview(Instead(server + new))}


def told(step: Step) -> tuple[list[tuple[float, float, float]], bool]:
    sizes = [(each.before, each.during, each.after) for each in step.memory]
    return [
        (before / GIBIBYTE, during / GIBIBYTE, after / GIBIBYTE) for before, during, after in sizes
    ], step.requests_wait


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("max_requests=4", "max_requests=5", ([(4, 9, 5)], False)),
        ("max_requests=6", "max_requests=5", ([(6, 6, 5)], True)),
        ("max_requests=6", "max_requests=6 max_queue=1", ([(6, 6, 6)], False)),
        ("max_requests=4", "max_requests=4 replicas=2", ([(4, 8, 8)], False)),
        ("max_requests=4 replicas=2", "max_requests=4", ([(8, 8, 4)], False)),
        ("max_requests=5 replicas=2", "max_requests=4 replicas=2", ([(10, 10, 8)], False)),
        ("max_requests=4", 'max_requests=4 device="cuda:1"', ([(4, 4, 0), (0, 4, 4)], False)),
        ("max_requests=4 preload=false", "max_requests=5 preload=false", ([], False)),
        ("max_requests=4 preload=false", "max_requests=4 preload=true", ([(0, 4, 4)], False)),
    ],
)
def test_a_change_of_a_model(
    managed: Make, old: str, new: str, expected: tuple[list[tuple[int, int, int]], bool]
) -> None:
    """Before, at the most, and after; and whether requests wait for room."""
    world = managed(text(f"m {old}"))
    world.started()
    step = planned(world, text(f"m {new}"))["models.m"]
    assert (told(step), step.reason) == (expected, "")


def test_what_can_not_be_done_is_said_beforehand(managed: Make) -> None:
    """In the words of the failure that it would be; and all stays as it is."""
    world = managed(text("m max_requests=4", "n max_requests=3"))
    world.started()
    step = planned(world, text("m max_requests=8", "n max_requests=3"))["models.m"]
    assert told(step) == ([(4, 4, 4)], False)
    assert step.reason.startswith("no-room: needs 8.0GiB on cpu")
    assert step.reason.endswith("beside the 3.0GiB of others; lower max_requests from 8 to 7")


def test_models_come_and_go(managed: Make) -> None:
    """One takes the place of another; a model that stays has nothing to tell."""
    world = managed(text("a max_requests=2", "b max_requests=7"))
    world.started()
    steps = planned(world, text("a max_requests=2", "c max_requests=8"))
    assert told(steps["models.a"]) == ([], False)
    assert told(steps["models.b"]) == ([(7, 7, 0)], False)
    assert told(steps["models.c"]) == ([(0, 8, 8)], False)


def test_the_limit_is_that_of_the_new_file(managed: Make) -> None:
    """A change may need it raised."""
    world = managed(text("m max_requests=6"))
    world.started()
    assert planned(world, text("m max_requests=11"))["models.m"].reason
    step = planned(world, text("m max_requests=11", limit=20))["models.m"]
    assert (told(step), step.reason) == (([(6, 17, 11)], False), "")


def test_what_nothing_is_known_of_has_nothing_to_tell(managed: Make) -> None:
    """As weights that are to be downloaded."""
    world = managed(text("m max_requests=6"))
    world.started()
    later = text("m max_requests=6").replace("/models/m", "later")
    assert told(planned(world, later)["models.m"]) == ([(6, 6, 0)], False)
    assert told(planned(world, later + "\n[models.n]\nsource='later'")["models.n"]) == ([], False)


def test_a_stopped_model_is_started_by_its_change(managed: Make) -> None:
    """And takes nothing before."""
    world = managed(text("m max_requests=4"))
    world.started()
    world.manager.models["m"].unit.stop("test")
    world.gateway.apply_routes()
    world.engines("m")[0].listener.on_exit(0)
    assert world.manager.models["m"].unit.state is State.STOPPED
    assert told(planned(world, text("m max_requests=5"))["models.m"]) == ([(0, 5, 5)], False)
    kept = planned(world, text("m max_requests=4", "n max_requests=10"))
    assert told(kept["models.n"]) == ([(0, 10, 10)], False)


@pytest.mark.parametrize(
    ("bounded", "reason"),
    [
        (
            True,
            "no-room: needs 6.0GiB at least, and its memory_max is 5.0GiB; raise that, or lower",
        ),
        (False, ""),  # what the kernel does not hold it to keeps nobody from trying
    ],
)
def test_what_needs_more_than_its_own_limit_is_foretold(
    managed: Make, monkeypatch: pytest.MonkeyPatch, reason: str, *, bounded: bool
) -> None:
    """As it would be refused."""
    world = managed(text())
    world.started()
    monkeypatch.setattr(
        world.manager.shares, "memory_max", lambda model: int(model.memory_max) * bounded
    )
    step = planned(world, text('m max_requests=6 memory_max="5GiB"'))["models.m"]
    assert step.reason.startswith(reason)
    assert bool(step.reason) is bounded
