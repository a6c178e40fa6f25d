"""servectl add on a running daemon, with fake engines."""

from config.checkpoints import write_checkpoint
from integration.daemon import RunningDaemon
from integration.test_apply import servectl


async def test_a_model_is_added_and_serves(daemon: RunningDaemon) -> None:
    """Until it does, what its engine does is told; one that fails is taken out again."""
    await daemon.started('# ours\n[models.m]\nsource = "fake:"\n')
    text = daemon.file.read_text()
    given = ("add", "fake:load=1.0", "--name", "new", "--no-probe", "--yes", "--set", "aliases=x,y")
    status, output = await servectl(daemon, *given)
    assert (status, "models.new" in output) == (0, True), output
    assert daemon.model("y")["state"] == "ready"
    assert daemon.file.read_text() == (
        f'{text.rstrip()}\n\n[models.new]\nsource = "fake:load=1.0"\naliases = ["x", "y"]\n'
    )
    before = daemon.file.read_text()
    status, output = await servectl(daemon, "add", "fake:fail=source", "--no-probe", "--yes")
    assert (status, "the files are as they were before" in output) == (1, True), output
    assert daemon.file.read_text() == before
    folder = write_checkpoint(daemon.directory / "tiny")
    status, output = await servectl(daemon, "add", str(folder), "--dry-run")
    assert (status, "[models.tiny]" in output, "compiled" in output) == (0, True, True), output
