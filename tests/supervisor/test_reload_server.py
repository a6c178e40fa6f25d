"""Reloads of [server]: addresses, and gateways that take over or fail to."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.managed import Managed, outcomes
from serve_daemon.config.problems import ConfigError
from serve_daemon.supervisor.sockets import address_of
from serve_daemon.wire.messages import Reason
from serve_daemon.wire.routing import ConfigureGateway

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\n'


def listens(path: str) -> bool:
    return Path(path).is_socket()


async def test_the_gateway_moves_to_another_address(managed: Make, tmp_path: Path) -> None:
    """The old address is closed once nobody serves there, not before."""
    path = tmp_path / "api.sock"
    world = managed(f'[server]\nlisten = ["unix:{path}"]\n{ONE}')
    world.started()
    world.edit(f"unix:{path}", f"unix:{path}2")
    reload = world.reloader.begin("test")
    assert path.exists()
    world.gateway.ready()
    assert outcomes(await reload.finished())["gateway"] == ("replace", "done", "")
    assert not path.exists()
    assert world.manager.listening_on() == [f"unix:{path}2"]


async def test_a_gateway_that_fails_leaves_all_of_server_as_it_was(
    managed: Make, tmp_path: Path
) -> None:
    """Its addresses, and what the running gateway was told live."""
    path = tmp_path / "api.sock"
    world = managed(f'[server]\nlisten = ["unix:{path}"]\nbody_timeout = 1.0\n{ONE}')
    world.started()
    serving = world.gateway
    world.edit(f'unix:{path}"]\nbody_timeout = 1.0', f'unix:{path}2"]\nbody_timeout = 2.0')
    reload = world.reloader.begin("test")
    assert serving.sent(ConfigureGateway)[-1].settings.body_timeout == 2.0
    world.gateway.fail(Reason.CONFIG, "no")
    assert outcomes(await reload.finished())["gateway"] == ("replace", "failed", "config: no")
    assert serving.sent(ConfigureGateway)[-1].settings.body_timeout == 1.0
    assert world.manager.config.server.listen == [f"unix:{path}"]
    assert path.exists()
    assert not listens(f"{path}2")


async def test_a_superseded_reload_does_not_undo_the_later_one(
    managed: Make, tmp_path: Path
) -> None:
    """Of two quick edits of [server] the last one holds, sockets included."""
    path = tmp_path / "api.sock"
    world = managed(f'[server]\nlisten = ["unix:{path}"]\n{ONE}')
    world.started()
    world.edit(f"unix:{path}", f"unix:{path}2")
    first = world.reloader.begin("one")
    world.edit(f"unix:{path}2", f"unix:{path}3")
    second = world.reloader.begin("two")
    world.gateway.listener.on_exit(0)
    world.gateway.ready()
    assert outcomes(await first.finished())["gateway"][1] == "failed"
    assert outcomes(await second.finished())["gateway"][1] == "done"
    assert world.manager.config.server.listen == [f"unix:{path}3"]
    assert listens(f"{path}3")
    assert not listens(f"{path}2")


@pytest.mark.parametrize("table", ["server", "metrics"])
async def test_an_address_in_use_refuses_the_reload(managed: Make, table: str) -> None:
    """Before any process is touched."""
    own = '[metrics]\nlisten = ["localhost:0"]\n'
    world = managed(f'[server]\nlisten = ["127.0.0.1:0"]\n{own}{ONE}')
    world.started()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        world.edit("127.0.0.1:0" if table == "server" else "localhost:0", address_of(other))
        with pytest.raises(ConfigError) as refused:
            world.reloader.begin("test")
    (problem,) = refused.value.problems
    assert problem.key == f"{table}.listen"
    assert "Address already in use" in problem.message
    assert len(world.gateways()) == 1
    assert world.manager.config.server.listen == ["127.0.0.1:0"]
