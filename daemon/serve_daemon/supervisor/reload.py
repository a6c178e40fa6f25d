"""Carrying out a change of the configuration.

A change is begun in one piece, without waiting: the units hold what is wanted, and get there by
themselves. So a later edit may come while an earlier one is under way, and the last one wins.
"""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from serve_daemon.config.effective import effective
from serve_daemon.config.files import digests
from serve_daemon.config.load import Loaded, Sources, load
from serve_daemon.config.origins import origins
from serve_daemon.config.plan import Action, Change, plan
from serve_daemon.config.problems import ConfigError
from serve_daemon.supervisor.history import Entry, History
from serve_daemon.supervisor.ledger import Ledger
from serve_daemon.supervisor.manager import Manager
from serve_daemon.supervisor.outlook import Expected, Outlook
from serve_daemon.supervisor.settings import metrics_addresses
from serve_daemon.supervisor.sockets import ListenError, ListeningSockets
from serve_daemon.supervisor.under_way import Begun, Kept, Reload, Step, planned


class Instead(Struct, frozen=True):
    """A text that is tried in place of a file's content."""

    text: str
    file: Path | None = None  # None: the main file


class Reloader:
    """Reads the files, plans, and has the manager do it."""

    def __init__(
        self,
        sources: Sources,
        manager: Manager,
        sockets: ListeningSockets,
        ledger: Ledger,
        history: History,
    ) -> None:
        self._sources = sources
        self._manager = manager
        self._sockets = sockets
        self._ledger = ledger
        self._history = history
        self._under_way: set[Reload] = set()
        self.last_outcome = ""
        self.outcomes: Counter[str] = Counter()  # of all
        self.files: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._in_force: Kept | None = None

    @property
    def is_busy(self) -> bool:
        return bool(self._under_way)

    def preview(self, instead: Instead | None) -> list[Step]:
        """What a reload would do, with other files where that is given. Raises `ConfigError`."""
        loaded = self._wanted(instead)
        changes = plan(self._running(), loaded)
        manager = self._manager
        outlook = Outlook(manager.models, manager.room, loaded, manager.shares.memory_max)
        expected = outlook.of(list(changes.models.values()))
        return [_expected(each, expected.get(each.subject)) for each in changes.changes()]

    def begin(self, trigger: str) -> Reload:
        """Start to carry out what has changed.

        Raises `ConfigError`, having changed nothing, where the configuration can't be used.
        """
        try:
            loaded = self._read()
        except ConfigError as error:
            self._refuse(trigger, error)
            raise
        return self._carry_out(loaded, trigger)

    def follow(self, seen: dict[str, str]) -> None:
        """Carry out the change of files whose digests the watch has `seen`.

        Where they are different again by now, somebody is writing: the watch will tell of that.
        Where they are what was carried out last, somebody has asked for it before the watch did.
        """
        trigger = "the file has changed"
        try:
            loaded = self._read()
        except ConfigError as error:
            if self._sources.main is not None and digests(self._sources.main) == seen:
                self._refuse(trigger, error)
            return
        is_news = loaded.files != self.files or self.last_outcome == "refused"
        if loaded.files == seen and is_news:
            self._carry_out(loaded, trigger)

    def _refuse(self, trigger: str, error: ConfigError) -> None:
        self._note("refused")
        problems = [each.render() for each in error.problems]
        self._ledger.refused(f"reload ({trigger}) refused, nothing has changed", problems)

    def _carry_out(self, loaded: Loaded, trigger: str) -> Reload:
        self.files = loaded.files
        changes = plan(self._running(), loaded).changes()
        moving = [_words(each) for each in changes if each.action is not Action.KEEP]
        self._ledger.reload(f"reload begins: {trigger}", moving or ["nothing changes"])
        self._manager.adopt(loaded)
        begun = [self._begin(each, loaded, trigger) for each in changes]
        kept = Kept(next(self._numbers), trigger, moving, loaded.texts)
        reload = Reload(begun, kept, self._end)
        self._under_way.add(reload)
        self._manager.changes.notify()
        return reload

    def started(self, loaded: Loaded) -> None:
        """The daemon has begun with `loaded`, and all of it works."""
        self._keep(Kept(0, "the daemon starts", [], loaded.texts))

    def history(self) -> tuple[list[Entry], int]:
        """The configurations that worked, and the number of the one that is in force; 0: none."""
        entries = self._history.entries()
        files = self._in_force.files if self._in_force else {}
        current = [each.number for each in entries if each.files == files]
        return entries, current[-1] if current else 0

    def _keep(self, kept: Kept) -> None:
        """Unless a later change, which holds instead, has come to its end before this one."""
        if self._in_force is None or kept.number > self._in_force.number:
            self._in_force = kept
            self._history.keep(kept.trigger, kept.changes, kept.files)

    def effective(self) -> dict[str, Any]:
        return effective(self._running())

    def pending(self, instead: Instead | None) -> dict[str, Any]:
        """As `effective`, after a reload that `preview` foresees. Raises `ConfigError`."""
        return effective(self._wanted(instead))

    def origins(self, instead: Instead | None) -> dict[str, str]:
        """Where the keys of `pending` are set. Raises `ConfigError`."""
        return origins(self._wanted(instead))

    def _wanted(self, instead: Instead | None) -> Loaded:
        text, file = (instead.text, instead.file) if instead else (None, None)
        return load(structs.replace(self._sources, text=text, text_of=file))

    def _running(self) -> Loaded:
        """The configuration that is in force: a change that failed is not."""
        models = {name: each.settings for name, each in self._manager.models.items()}
        return Loaded(
            config=self._manager.config,
            models=models,
            files=self.files,
            installed=self._manager.installed,
            access=self._manager.access,
        )

    def _read(self) -> Loaded:
        """The configuration as it stands, its addresses listened on. Raises `ConfigError`."""
        loaded = load(self._sources)
        own = metrics_addresses(loaded.config)
        try:
            self._sockets.open(loaded.config.server.listen, own)
        except ListenError as error:
            table = "metrics" if error.address in own else "server"
            raise ConfigError([loaded.problem((table, "listen"), str(error))]) from error
        return loaded

    def _begin(self, change: Change, loaded: Loaded, trigger: str) -> Begun:
        manager = self._manager
        table, _, name = change.subject.partition(".")
        reason = f"{trigger}: {', '.join(change.keys)}"
        match table, change.action:
            case "models", Action.START:
                generation = manager.add(name, loaded.models[name])
                return Begun(change, manager.models[name].unit, generation)
            case "models", Action.STOP:
                return Begun(change, manager.remove(name))
            case "models", Action.UPDATE | Action.REPLACE:
                generation = manager.reconfigure(name, loaded.models[name], reason)
                return Begun(change, manager.models[name].unit, generation)
            case "gateway", Action.UPDATE | Action.REPLACE:
                return Begun(change, manager.gateway, manager.reconfigure_gateway(reason))
            case "daemon", Action.UPDATE | Action.RESTART:
                manager.reconfigure_log()
        return self._pending(change)

    def _pending(self, change: Change) -> Begun:
        """What an earlier change has begun there and not ended: its outcome is this one's, too."""
        for each in (begun for reload in self._under_way for begun in reload.begun):
            is_meant = each.change.subject == change.subject
            unit = each.unit if each.change.action is not Action.STOP else None
            if is_meant and unit is not None and unit.generation == each.generation:
                return Begun(change, unit, each.generation)
        return Begun(change)

    def _note(self, outcome: str) -> None:
        self.last_outcome = outcome
        self.outcomes[outcome] += 1

    def _end(self, reload: Reload) -> None:
        failures = {
            each.subject: each.reason for each in reload.changes if each.outcome == "failed"
        }
        self._note("failed" if failures else "applied")
        if failures:
            self._ledger.reload_failed(failures)
        else:
            self._ledger.reload("reload applied", [])
            self._keep(reload.kept)
        self._under_way.discard(reload)
        self._manager.changes.notify()


def _expected(change: Change, expected: Expected | None) -> Step:
    """What is planned, with what it would take of memory; a change only, no model that stays."""
    step = planned(change)
    if expected is None or change.action is Action.KEEP:
        return step
    found, why_not = expected
    return structs.replace(
        step, memory=found.memory, requests_wait=found.requests_wait, reason=why_not
    )


def _words(change: Change) -> str:
    keys = f" ({', '.join(change.keys)})" if change.keys else ""
    return f"{change.action} {change.subject}{keys}"
