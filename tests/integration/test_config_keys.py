"""servectl config on a running daemon: the watch sees the same edits, and does nothing twice."""

from integration.daemon import RunningDaemon
from integration.test_apply import GOOD, servectl


async def test_a_key_is_set_unset_and_refused(daemon: RunningDaemon) -> None:
    """In the main file, with what the daemon's own environment sets, and in a drop-in."""
    daemon.environment["SERVE_LOG__LEVEL"] = "warning"
    await daemon.started(GOOD)
    text = daemon.file.read_text()
    status, output = await servectl(daemon, "config", "set", "models.m.max_queue", "7")
    assert (status, "update" in output) == (0, True), output
    assert daemon.file.read_text() == text.rstrip("\n") + "\nmax_queue = 7\n\n"
    status, output = await servectl(daemon, "config", "get", "models.m.max_queue", "--origin")
    line = daemon.file.read_text().splitlines().index("max_queue = 7") + 1
    assert output == f"models.m.max_queue = 7  # {daemon.file}:{line}:1\n"
    status, output = await servectl(daemon, "config", "set", "models.m.max_queue", "many")
    assert (status, f"{daemon.file}:{line}:13" in output) == (4, True), output
    status, output = await servectl(daemon, "config", "set", "log.level", "debug")
    assert "log.level is set by environment variable SERVE_LOG__LEVEL as well" in output
    status, output = await servectl(
        daemon, "config", "set", "--drop-in", "local", "models.m.max_queue", "9"
    )
    assert status == 0, output
    assert daemon.call("GetConfig")["config"]["models"]["m"]["max_queue"] == 9
    status, output = await servectl(daemon, "config", "unset", "models.m.max_queue")
    assert (status, "local.toml:2:1 as well, which wins" in output) == (0, True), output
