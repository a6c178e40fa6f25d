"""GET and HEAD of /ui and its files: one static page, which no page of others can use."""

import hashlib
from functools import cache
from pathlib import Path

import falcon
import falcon.asgi
from msgspec import Struct

from serve_daemon.gateway.http.conditions import Conditions

FILES = Path(__file__).parent / "static"
PAGE = "page.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# The page loads its own files alone, talks to its own server alone, and turns no text into markup:
# with trusted types that none makes, even a mistake of ours can't.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",  # asked for again each time, and sent where it is another one
}


class File(Struct, frozen=True):
    content: bytes
    media_type: str
    etag: str


@cache
def read_files() -> dict[str, File]:
    """The files of the page by their names."""
    return {
        path.name: File(
            content := path.read_bytes(),
            MEDIA_TYPES[path.suffix],
            hashlib.sha256(content).hexdigest()[:32],
        )
        for path in FILES.iterdir()
        if path.suffix in MEDIA_TYPES
    }


def require_ui(conditions: Conditions) -> None:
    """Raise where the page is switched off."""
    if not conditions.settings.has_ui:
        raise falcon.HTTPNotFound(description="There is no status page: [ui] enabled is false.")


class Page:
    """The page itself, and what it loads."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions

    async def on_get(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response, name: str = PAGE
    ) -> None:
        require_ui(self._conditions)
        file = read_files().get(name)
        if file is None or (name == PAGE and request.path.endswith(PAGE)):
            raise falcon.HTTPNotFound(description="The status page has no such file.")
        response.set_headers(HEADERS)
        response.content_type = file.media_type
        response.etag = file.etag
        if any(each in ("*", file.etag) for each in request.if_none_match or ()):
            response.status = falcon.HTTP_304
        else:
            response.data = file.content

    on_head = on_get


class PageWithSlash:
    """Where a slash too many leads."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions

    async def on_get(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_ui(self._conditions)
        response.set_headers(HEADERS)
        response.status = falcon.HTTP_308
        response.location = "../ui"  # from /ui/, also behind a proxy that has it elsewhere

    on_head = on_get
