"""GET /ui and its files: what a browser is told of them, and who may have them."""

import re

import httpx
import pytest
import pytest_asyncio

from fakes.supervisor import FakeSupervisor
from serve_daemon.gateway.ui.page import FILES, read_files

NAMES = sorted(path.name for path in FILES.iterdir())


@pytest_asyncio.fixture(loop_scope="module")
async def page(supervisor: FakeSupervisor, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a gateway that has the page."""
    await supervisor.configure(has_ui=True)
    return client


@pytest.mark.parametrize(
    "path", ["/ui", "/ui/", "/ui/style.css", "/ui/page.js", "/ui/status", "/ui/events"]
)
async def test_there_is_none_unless_it_is_asked_for(
    supervisor: FakeSupervisor, client: httpx.AsyncClient, path: str
) -> None:
    """As it is by default; and switched on and off while the gateway runs."""
    reply = await client.get(path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
    assert "[ui] enabled" in reply.json()["error"]["message"]
    await supervisor.configure(has_ui=True)
    if path != "/ui/events":
        assert (await client.get(path)).status_code != 404
    await supervisor.configure(has_ui=False)
    assert (await client.get(path)).status_code == 404


async def test_the_page_may_load_and_ask_its_own_server_alone(page: httpx.AsyncClient) -> None:
    """And be in no frame; what it loads is what it says that it is."""
    for path in ("/ui", "/ui/page.js", "/ui/style.css", "/ui/icon.svg"):
        reply = await page.get(path)
        policy = dict(
            each.strip().partition(" ")[::2]
            for each in reply.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert {policy[f"{kind}-src"] for kind in ("script", "style", "connect")} == {"'self'"}
        assert policy["frame-ancestors"] == "'none'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/ui", "text/html; charset=utf-8"),
        ("/ui/page.js", "text/javascript; charset=utf-8"),
        ("/ui/style.css", "text/css; charset=utf-8"),
        ("/ui/icon.svg", "image/svg+xml"),
    ],
)
async def test_a_file_is_sent_once(page: httpx.AsyncClient, path: str, media_type: str) -> None:
    """As what it is; a browser that has it is told so. HEAD is GET without the body."""
    reply = await page.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (200, media_type)
    again = await page.get(path, headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await page.get(path, headers={"If-None-Match": '"another"'})
    assert other.content == reply.content
    head = await page.head(path)
    assert (head.status_code, head.content) == (200, b"")


async def test_a_slash_too_many_leads_to_the_page(page: httpx.AsyncClient) -> None:
    """Relative, so that it works behind a proxy."""
    reply = await page.get("/ui/")
    assert (reply.status_code, reply.headers["location"]) == (308, "../ui")
    assert (await page.get("/ui/", follow_redirects=True)).url.path == "/ui"


@pytest.mark.parametrize("name", ["nothing.js", "page.html", "..%2Fpage.py", "%2e%2e/page.py"])
async def test_nothing_else_is_there(page: httpx.AsyncClient, name: str) -> None:
    """No file of another folder, and the page under one name alone."""
    assert (await page.get(f"/ui/{name}")).status_code == 404


async def test_the_page_takes_no_key(page: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """It is where one types it; what it shows takes one, whatever its path is made to look like."""
    await supervisor.let_in({"one": "sk-one-0123456789abcdef"})
    for path in ("/ui", "/ui/", *(f"/ui/{name}" for name in NAMES if name != "page.html")):
        assert (await page.get(path)).status_code in (200, 308)
    for path in (
        "/ui/status",
        "/ui/events",
        "/ui/events/x.js",
        "/ui/status%2Fx.js",
        "/ui/page.html",
    ):
        assert (await page.get(path)).status_code == 401


# ---------------------------------------------------------------- the files themselves


def test_every_file_is_served() -> None:
    """None has an ending that nobody has a media type for."""
    assert sorted(read_files()) == NAMES


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.endswith((".html", ".css", ".js"))]
)
def test_a_file_names_no_other_server_and_makes_no_markup_of_text(name: str) -> None:
    """Nor has it scripts or styles in line, which the policy would forbid."""
    text = (FILES / name).read_text()
    allowed = "http://www.w3.org/2000/svg"  # a name, not a place
    assert "//" not in re.sub(r"(?m)(^|\s)//.*$", "", text.replace(allowed, ""))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(", text)
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon\w+=\"", text)


def test_what_the_page_loads_exists() -> None:
    """Every file that it names, and every module that these name."""
    html = (FILES / "page.html").read_text()
    named = set(re.findall(r'(?:href|src)="ui/([^"]+)"', html))
    for path in FILES.glob("*.js"):
        named |= set(re.findall(r'from "\./([^"]+)"', path.read_text()))
    assert named == {name for name in NAMES if name != "page.html"}
