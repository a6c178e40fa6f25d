"""The owner of all state: the gateway, every model, and what is done to them."""

import time

from serve_daemon.config.access import Access
from serve_daemon.config.load import Loaded
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.changes import Changes
from serve_daemon.supervisor.draining import Draining
from serve_daemon.supervisor.group import Group
from serve_daemon.supervisor.hearing import Hearing
from serve_daemon.supervisor.instance import Clock, Instance, Phase
from serve_daemon.supervisor.ledger import GATEWAY, Ledger
from serve_daemon.supervisor.machine import ThisMachine
from serve_daemon.supervisor.metrics import Metrics
from serve_daemon.supervisor.models import ModelUnit
from serve_daemon.supervisor.ports import Ports, Supervised
from serve_daemon.supervisor.programs import Directories, EngineProgram, GatewayProgram
from serve_daemon.supervisor.room import Room
from serve_daemon.supervisor.routing import Routing
from serve_daemon.supervisor.settings import (
    engine_launches,
    engine_settings,
    gateway_settings,
    gateway_specs,
    gateway_unit_settings,
)
from serve_daemon.supervisor.shares import Shares
from serve_daemon.supervisor.sockets import ListeningSockets
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.unit import Unit
from serve_daemon.wire.messages import SetLogLevel


class Manager:
    """Units by name. All of it runs in the event loop's thread, and nothing here waits."""

    def __init__(
        self,
        loaded: Loaded,
        ledger: Ledger,
        directories: Directories,
        sockets: ListeningSockets,
        clock: Clock,
    ) -> None:
        self.config, self.installed, self.access = loaded.config, loaded.installed, loaded.access
        self.models: dict[str, ModelUnit] = {}
        self.changes = Changes()
        self.shares = Shares(self, directories.delegation)
        self._proven = loaded.config  # what the serving gateway was started with
        self._removed: set[Group] = set()
        self._ledger, self._clock, self._sockets = ledger, clock, sockets
        self.routing = Routing(directories, self.models.values, self._gateways)
        self.metrics = Metrics()
        hearing = Hearing(self.routing, self.metrics, wake=self.wake, units=self.units)
        self.room = Room(
            ThisMachine(str(directories.cache)),
            clock,
            units=self._engine_units,
            limit=lambda: int(self.config.engine.memory_limit),
            own_limit=lambda name: self.shares.memory_max(self.models[name].settings),
        )
        self._engines = EngineProgram(
            ledger.log,
            directories,
            threads=self.shares.threads_for,
            withdraw=self.routing.withdraw,
            ended=hearing.engine_ended,
        )
        self._gateway_program = GatewayProgram(
            ledger.log,
            sockets,
            settings=lambda: gateway_settings(
                self.config, directories.state, self.access.grants, directories.control_socket
            ),
            routes=self.routing.table,
            ear=hearing,
        )
        self.draining = Draining(self._gateway_program, self._gateways, self.changes, ledger)
        self.gateway = Group(
            GATEWAY,
            gateway_specs(self.config, self.installed, self.access.tls),
            gateway_unit_settings(self.config),
            Ports(self._gateway_program, self, clock, confine=self.shares.confine),
        )

    # ------------------------------------------------------------ a unit's journal

    def moved(self, unit: Supervised, old: State, reason: str) -> None:
        if unit is self.gateway and unit.state is State.READY:
            reason = f"listening on {', '.join(self.listening_on())}"
        self._ledger.moved(unit, old, reason)
        self._after_change(unit)

    def noted(self, unit: Supervised, message: str, reason: str = "") -> None:
        self._ledger.noted(unit, message, reason)
        self._after_change(unit)

    def _after_change(self, unit: Supervised) -> None:
        if unit is self.gateway:
            self._follow_gateway()
            self.routing.release_withdrawn()
        elif unit.name in self.models:
            self.models[unit.name].follow(self.config)
            self.routing.publish()
            self.shares.share()
        self.room.reconsider_soon()
        self._removed = {each for each in self._removed if each.instances()}
        self.changes.notify()

    def _follow_gateway(self) -> None:
        """As models do their units; and listen only where the gateway does, or is about to."""
        unit = self.gateway
        if unit.spec == gateway_specs(self.config, self.installed, self.access.tls):
            if unit.is_proven:
                self._proven = self.config
        else:
            tables = {"server": self._proven.server, "metrics": self._proven.metrics}
            self.config = self.config.model_copy(update=tables)
            self.installed = unit.spec[0].installed
            self.access = Access(self.access.grants, unit.spec[0].tls)
            self._spread_server_settings()
        at_work = [each for each in unit.instances() if each.phase in (Phase.STARTING, Phase.READY)]
        specs = (*unit.spec, *(each.spec for each in at_work))
        self._sockets.keep_only([at for each in specs for at in each.addresses])

    # ------------------------------------------------------------ what is done

    def adopt(self, loaded: Loaded) -> None:
        """Go by another configuration from now on; what runs is not touched yet."""
        self.config, self.installed, self.access = loaded.config, loaded.installed, loaded.access

    def add(self, name: str, settings: Model) -> int:
        unit = Group(
            name,
            engine_launches(name, settings, self.config),
            engine_settings(settings, self.config),
            Ports(self._engines, self, self._clock, self.room, self.shares.confine),
        )
        self.models[name] = ModelUnit(unit, settings, created=int(time.time()))
        self.routing.publish()
        if settings.preload:
            return unit.start("it is in the configuration")
        unit.sleep("preload is false: the first request starts it")
        return unit.generation

    def wake(self, name: str) -> None:
        """A request waits for a model; one that is gone by now needs nothing."""
        if name in self.models:
            self.models[name].unit.wake("a request wants it")

    def remove(self, name: str) -> Group:
        """Drain the model and forget it; returns the unit to wait for."""
        unit = self.models.pop(name).unit
        self._removed.add(unit)
        unit.stop("it is no longer in the configuration")
        self.routing.publish()
        self.shares.share()
        return unit

    def reconfigure(self, name: str, settings: Model, reason: str) -> int:
        """Give a model its new settings: live, or by a new engine. Returns the generation."""
        model = self.models[name]
        is_woken = settings.preload and not model.settings.preload
        model.settings = settings
        model.unit.settings = engine_settings(settings, self.config)
        generation = model.unit.replace(engine_launches(name, settings, self.config), reason)
        model.unit.start(reason, wake=is_woken)
        model.follow(self.config)
        self.routing.publish()
        self.shares.share()
        return generation

    def restart(self, name: str, reason: str) -> int:
        unit = self.models[name].unit
        generation = unit.replace(unit.spec, reason, force=True)
        unit.start(reason)
        return generation

    def reconfigure_gateway(self, reason: str) -> int:
        """Have the gateway follow `config`: live, or by a new process."""
        self._spread_server_settings()
        generation = self.gateway.replace(
            gateway_specs(self.config, self.installed, self.access.tls), reason
        )
        self.gateway.start(reason)
        self._follow_gateway()
        return generation

    def stop_gateway(self, reason: str, seconds: float) -> None:
        """Have all end within so long, those that leave already, too."""
        self.gateway.stop(reason)
        for each in self._gateways():
            self._gateway_program.hurry(each, seconds)

    def _spread_server_settings(self) -> None:
        """What [server] says that running processes can take up."""
        self.gateway.settings = gateway_unit_settings(self.config)
        for each in self.models.values():
            each.unit.settings = engine_settings(each.settings, self.config)
        self._gateway_program.configure(self._gateways())

    def reconfigure_log(self) -> None:
        """Have every program follow [log] of `config`, as far as running ones can."""
        self.set_log_level(self.config.log.level)
        self._gateway_program.configure(self._gateways())

    def set_log_level(self, level: str) -> None:
        self._ledger.log.set_level(level)
        for unit in self.units():
            for each in unit.instances():
                each.process.send(SetLogLevel(level))

    def check(self) -> None:
        """Look after every process, and who may sleep; to be called about once a second."""
        for unit in self.units():
            unit.check()
        self.room.reconsider()
        for model in self.models.values():
            model.sleep_if_idle()
        self.changes.notify()  # life signs have come, too

    # ------------------------------------------------------------ for those who look

    def find(self, name: str) -> ModelUnit | None:
        """A model by its name or one of its aliases."""
        by_alias = (each for each in self.models.values() if name in each.settings.aliases)
        return self.models.get(name) or next(by_alias, None)

    def listening_on(self) -> list[str]:
        """The addresses of the API as they really are, the port chosen for port 0 included."""
        return self._sockets.bound(self.gateway.spec[0].listen)

    def units(self) -> list[Group]:
        return [self.gateway, *self._model_groups()]

    def _model_groups(self) -> list[Group]:
        return [*(each.unit for each in self.models.values()), *self._removed]

    def _engine_units(self) -> list[Unit]:
        return [unit for group in self._model_groups() for unit in group.all_units()]

    async def all_stopped(self) -> None:
        """Wait until no engine is left."""
        for each in self._model_groups():
            await each.stopped()

    def _gateways(self) -> list[Instance]:
        return self.gateway.instances()
