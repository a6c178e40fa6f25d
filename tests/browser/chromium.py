"""A Chromium without a window, driven over chromedriver's own HTTP (W3C WebDriver)."""

import asyncio
import base64
import os
import re
import shutil
from pathlib import Path
from typing import Any, Self

import httpx

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
MISSING = "" if CHROMIUM and CHROMEDRIVER else "chromium and chromedriver are not installed"

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # as the standard names a reference to one
TIMEOUT_SECONDS = 60.0
ENTER = "\ue007"

# Resolves with the value of an expression once it is truthy; looked at with every frame.
UNTIL = """
const [done] = Array.from(arguments).slice(-1);
const look = () => {
  const found = (() => { return %s })();
  if (found) done(found); else setTimeout(look, 20);
};
look();
"""


class Browser:
    """One window, from `async with` on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory  # of its profile

    async def __aenter__(self) -> Self:
        assert CHROMEDRIVER is not None
        self._driver = await asyncio.create_subprocess_exec(
            CHROMEDRIVER, "--port=0", stdout=asyncio.subprocess.PIPE, env=self._environment()
        )
        port = await self._port()
        self._client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=2 * TIMEOUT_SECONDS
        )
        session = await self._post("/session", capabilities={"alwaysMatch": self._capabilities()})
        self._session = f"/session/{session['sessionId']}"
        await self._post(f"{self._session}/timeouts", script=int(TIMEOUT_SECONDS * 1000))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.delete(self._session)
        await self._client.aclose()
        self._driver.terminate()
        await self._driver.wait()

    def _environment(self) -> dict[str, str]:
        return os.environ | {"HOME": str(self._directory)}

    def _capabilities(self) -> dict[str, Any]:
        profile = f"--user-data-dir={self._directory / 'profile'}"
        args = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", profile]
        args += ["--hide-scrollbars"]
        args += ["--no-sandbox"] if os.geteuid() == 0 else []
        return {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": CHROMIUM, "args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        }

    async def _port(self) -> int:
        assert self._driver.stdout is not None
        async with asyncio.timeout(TIMEOUT_SECONDS):
            async for line in self._driver.stdout:
                if found := re.search(rb"started successfully on port (\d+)", line):
                    return int(found[1])
        raise AssertionError("chromedriver did not start")

    async def _post(self, path: str, **body: Any) -> Any:
        reply = await self._client.post(path, json=body)
        value = reply.json()["value"]
        assert reply.is_success, value
        return value

    # ------------------------------------------------------------ what it is told

    async def open(self, url: str) -> None:
        await self._post(f"{self._session}/url", url=url)

    async def reload(self) -> None:
        await self._post(f"{self._session}/refresh")

    async def devtools(self, command: str, **parameters: Any) -> Any:
        """Chromium's own protocol, for what the standard has no word for."""
        path = f"{self._session}/goog/cdp/execute"
        return await self._post(path, cmd=command, params=parameters)

    async def resize(self, width: int, height: int, *, scale: float = 1.0) -> None:
        """The size of the page in CSS pixels, and how many dots each has."""
        await self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    async def prefer(self, **features: str) -> None:
        """Media features, as color_scheme="dark"."""
        told = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        await self.devtools("Emulation.setEmulatedMedia", features=told)

    async def type(self, selector: str, text: str) -> None:
        """Into the element that the selector finds, by keys."""
        await self._post(f"{await self._element(selector)}/value", text=text)

    async def click(self, selector: str) -> None:
        await self._post(f"{await self._element(selector)}/click")

    async def press(self, key: str) -> None:
        """Into whatever has the focus."""
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": keys}]
        await self._post(f"{self._session}/actions", actions=actions)

    async def _element(self, selector: str) -> str:
        found = await self._post(f"{self._session}/element", using="css selector", value=selector)
        return f"{self._session}/element/{found[ELEMENT]}"

    # ------------------------------------------------------------ what it says

    async def value(self, expression: str) -> Any:
        """Of an expression of JavaScript, as JSON has it."""
        script = f"return {expression}"
        return await self._post(f"{self._session}/execute/sync", script=script, args=[])

    async def run(self, script: str) -> Any:
        """What an asynchronous script passes to its last argument."""
        return await self._post(f"{self._session}/execute/async", script=script, args=[])

    async def until(self, expression: str) -> Any:
        """The first value of the expression that is true."""
        return await self.run(UNTIL % expression)

    async def until_shown(self, text: str, selector: str = "body") -> None:
        """Return when the text stands in what people see of an element."""
        quoted = text.replace("\\", "\\\\").replace("`", "\\`")
        found = f"document.querySelector(`{selector}`)"
        await self.until(f"{found}?.checkVisibility() && {found}.innerText.includes(`{quoted}`)")

    async def screenshot(self, file: Path) -> None:
        """Of the page as it is seen, into a PNG."""
        shot = await self._client.get(f"{self._session}/screenshot")
        content = base64.b64decode(shot.json()["value"])
        await asyncio.to_thread(file.write_bytes, content)

    async def complaints(self) -> list[str]:
        """What the console has got since it was asked last: errors, and what a policy forbade."""
        records = await self._post(f"{self._session}/se/log", type="browser")
        return [each["message"] for each in records if each["level"] in ("WARNING", "SEVERE")]
