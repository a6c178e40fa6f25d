"""The status page of a real daemon: what it shows is what servectl shows."""

from typing import Any

from gateway.ui.told import next_told, told
from integration.daemon import RunningDaemon

MODELS = '[models.m]\nsource = "fake:"\n[models.absent]\nsource = "fake:fail=source"\n'


def page(*, enabled: bool) -> str:
    return f"[ui]\nenabled = {str(enabled).lower()}\n[control]\nwatch = false\n{MODELS}"


async def test_it_is_switched_on_by_a_reload_and_follows_the_daemon(daemon: RunningDaemon) -> None:
    """The gateway stays the same process; what happens is told as it happens."""
    daemon.write(page(enabled=False))
    await daemon.start()
    await daemon.until_model("absent", state="failed")
    model = await daemon.until_model("m", state="ready")
    status = await daemon.until(lambda status: status["gateway"]["state"] == "ready")
    gateway = status["gateway"]["pid"]
    async with daemon.http() as client:
        assert (await client.get("/ui")).status_code == 404
        daemon.write(page(enabled=True))
        await daemon.ask("Reload", wait=True)
        assert daemon.status()["gateway"]["pid"] == gateway
        assert (await client.get("/ui")).status_code == 200
        shown = (await client.get("/ui/status")).json()
        assert named(shown, "m")["pid"] == model["pid"]
        assert named(shown, "absent")["reason"] == "source: the fake engine was told to fail"
        async with client.stream("GET", "/ui/events") as reply:
            stream = told(reply)
            await next_told(stream, "snapshot")
            await daemon.ask("Stop", model="m", wait=True)
            while named(await next_told(stream, "snapshot"), "m")["state"] != "stopped":
                pass


def named(snapshot: dict[str, Any], model: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in snapshot["models"] if each["name"] == model)
    return found
