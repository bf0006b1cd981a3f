"""A plain ASGI function that serves the web pages; everything else is for the application behind it.

Addresses of pages get `index.html`, whose script reads the address. A missing asset is a 404, never HTML: a tab that
was open during an upgrade must not run a page as a script.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from pages.files import PageFile, read_files
from pages.headers import COMMON, headers_of_asset, headers_of_page

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PAGE_PATH = re.compile(r"/(dashboard|admin|sign-in|embed)(/.*)?")
ASSET_PATH = re.compile(r"/assets/.*|/favicon\.svg")
METHODS = ("GET", "HEAD")
NOT_BUILT = b"The web pages are not built. Run `make setup`, which builds them by `npm run build --prefix web`.\n"
PLAIN = (b"content-type", b"text/plain; charset=utf-8")


class Pages:
    """Serves the built pages; `embed_origins` may show `/embed/…` in frames, nobody any other page."""

    def __init__(self, embed_origins: tuple[str, ...] = (), files: Mapping[str, PageFile] | None = None) -> None:
        self._files = read_files() if files is None else files
        self._page = headers_of_page(())
        self._embedded = headers_of_page(embed_origins)

    async def __call__(self, scope: Mapping[str, Any], send: Send) -> bool:
        """Serve a request for a page or an asset; return whether it was one."""
        path: str = scope["path"]
        if scope["type"] != "http" or scope["method"] not in METHODS:
            return False
        if path == "/":
            await answer(scope, send, 307, [(b"location", b"/dashboard")], b"")
        elif PAGE_PATH.fullmatch(path):
            await self._send_page(scope, send, self._embedded if path.startswith("/embed/") else self._page)
        elif ASSET_PATH.fullmatch(path):
            await self._send_asset(scope, send, path)
        else:
            return False
        return True

    async def _send_page(self, scope: Mapping[str, Any], send: Send, headers: Headers) -> None:
        page = self._files.get("/index.html")
        if page is None:
            await answer(scope, send, 503, [PLAIN], NOT_BUILT)
        else:
            await send_file(scope, send, page, headers)

    async def _send_asset(self, scope: Mapping[str, Any], send: Send, path: str) -> None:
        file = self._files.get(path)
        if file is None:
            await answer(scope, send, 404, [PLAIN, *COMMON, (b"cache-control", b"no-store")], b"No such file.\n")
        else:
            await send_file(scope, send, file, headers_of_asset(path))


async def send_file(scope: Mapping[str, Any], send: Send, file: PageFile, headers: Headers) -> None:
    """Send a file, packed where the client takes it, or 304 when the client has it."""
    request_headers = {
        name: value for name, value in scope["headers"] if name in (b"accept-encoding", b"if-none-match")
    }
    is_packed = file.packed is not None and b"gzip" in request_headers.get(b"accept-encoding", b"")
    # The packed form has its own tag: a strong one stands for the bytes that were sent.
    etag = f'"{file.etag}-gz"' if is_packed else f'"{file.etag}"'
    headers = [*headers, (b"etag", etag.encode()), (b"vary", b"accept-encoding")]
    if etag.encode() in request_headers.get(b"if-none-match", b""):
        await answer(scope, send, 304, headers, None)
        return
    headers.append((b"content-type", file.media_type.encode()))
    if is_packed:
        headers.append((b"content-encoding", b"gzip"))
    await answer(scope, send, 200, headers, file.packed if is_packed else file.content)


async def answer(scope: Mapping[str, Any], send: Send, status: int, headers: Headers, body: bytes | None) -> None:
    """Send an answer; HEAD gets the same head without the body."""
    if body is not None:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body or b""})
