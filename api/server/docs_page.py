"""`/docs`: the calls of the API as one page without scripts, so that it loads nothing from elsewhere."""

from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

METHODS = ("get", "post", "put", "patch", "delete")
STYLE = (
    "body{font:16px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}code{font-weight:bold}dd{margin:0 0 1em}"
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


def add_docs_page(web: FastAPI) -> None:
    """Serve the page; the whole document, for tools, stays at /openapi.json."""

    @web.get("/docs", include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        return HTMLResponse(render_page(web.openapi()), headers={"Content-Security-Policy": POLICY})


def render_page(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    title = escape(document["info"]["title"])
    calls = "".join(
        f"<dt><code>{method.upper()} {escape(path)}</code></dt><dd>{escape(call.get('description') or '')}</dd>"
        for path, item in document["paths"].items()
        for method, call in item.items()
        if method in METHODS
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
        f"<h1>{title}</h1><p>For tools: <a href=/openapi.json>openapi.json</a></p><dl>{calls}</dl></html>"
    )
