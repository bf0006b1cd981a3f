"""The pages as they are served: which addresses they have, their headers, and what is kept for how long."""

import gzip
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from pages.app import Pages
from pages.files import STATIC, PageFile, read_files
from tests.pages.builds import needs_build

ROOT = Path(__file__).parents[2]
INDEX = PageFile(
    b"<!doctype html>" + b" " * 600, gzip.compress(b"<!doctype html>" + b" " * 600, mtime=0), "abc", "text/html"
)
SCRIPT = PageFile(b"run()", None, "def", "text/javascript; charset=utf-8")
FILES = {"/index.html": INDEX, "/assets/index-1a2b.js": SCRIPT}
ORIGIN = "https://portal.example"


def client(files: dict[str, PageFile] | None = None, origins: tuple[str, ...] = ()) -> httpx.AsyncClient:
    pages = Pages(origins, FILES if files is None else files)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if not await pages(scope, send):
            await send({"type": "http.response.start", "status": 418, "headers": []})
            await send({"type": "http.response.body"})

    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://site.example")


@pytest.mark.parametrize(
    "path", ["/dashboard", "/dashboard/agents/x?tab=events", "/admin", "/sign-in", "/embed/agents/x/chart"]
)
async def test_every_address_of_the_pages_gets_the_page(path: str) -> None:
    async with client() as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.content) == (200, INDEX.content)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/api/agents", "/dashboards", "/adminx", "/ws", "/metrics"])
async def test_other_addresses_are_left_to_the_application(path: str) -> None:
    async with client() as http:
        assert (await http.get(path)).status_code == 418
        assert (await http.post("/dashboard")).status_code == 418


async def test_the_root_leads_to_the_dashboard() -> None:
    async with client() as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard")


async def test_an_asset_is_kept_for_a_year_and_a_missing_one_is_never_html() -> None:
    async with client() as http:
        existing = await http.get("/assets/index-1a2b.js")
        missing = await http.get("/assets/index-0000.js")
        outside = await http.get("/assets/..%2findex.html")
    assert "immutable" in existing.headers["cache-control"]
    assert existing.headers["content-type"] == "text/javascript; charset=utf-8"
    assert [missing.status_code, outside.status_code] == [404, 404]
    assert missing.headers["content-type"].startswith("text/plain")
    assert missing.headers["cache-control"] == "no-store"


async def test_unchanged_files_are_answered_304() -> None:
    async with client() as http:
        first = await http.get("/dashboard")
        again = await http.get("/dashboard", headers={"If-None-Match": first.headers["etag"]})
        plain = await http.get(
            "/dashboard", headers={"If-None-Match": first.headers["etag"], "Accept-Encoding": "identity"}
        )
        head = await http.head("/dashboard")
    assert (again.status_code, again.content) == (304, b"")
    assert (plain.status_code, plain.content) == (200, INDEX.content)
    assert plain.headers["etag"] != first.headers["etag"]
    assert (head.content, head.headers["etag"]) == (b"", first.headers["etag"])


async def test_only_embedded_charts_may_stand_in_frames_of_named_origins() -> None:
    async with client(origins=(ORIGIN,)) as http:
        page = (await http.get("/dashboard")).headers["content-security-policy"]
        embedded = (await http.get("/embed/agents/x/chart")).headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page
    assert f"frame-ancestors {ORIGIN}" in embedded
    for policy in (page, embedded):
        assert "script-src 'self';" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy


async def test_pages_that_are_not_built_say_how_to_build_them() -> None:
    async with client(files={}) as http:
        answer = await http.get("/dashboard")
    assert answer.status_code == 503
    assert "make setup" in answer.text


@needs_build
def test_the_built_files_are_all_there_and_whole() -> None:
    files = read_files()
    page = files["/index.html"].content.decode()
    assets = [path for path in files if path.startswith("/assets/")]
    first = [path for path in assets if path in page]  # the other scripts are loaded when a page needs them
    assert [path.rpartition(".")[2] for path in sorted(first, key=lambda path: path[-2:])] == ["js", "css"]
    loaded = "".join(files[path].content.decode() for path in assets if path.endswith(".js"))
    assert all(path.rpartition("/")[2] in loaded + page for path in assets if not path.endswith(".json"))
    assert "style=" not in page
    assert "<script>" not in page


@needs_build
def test_the_wheel_has_the_pages(tmp_path: Path) -> None:
    excluded = shutil.ignore_patterns(".*", "node_modules", "build", "results", "tests", "web", "docs", "__pycache__")
    source = shutil.copytree(ROOT, tmp_path / "source", ignore=excluded)  # a build leaves its traces beside the source
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"pages/static{path}" for path in read_files()} <= names


def test_static_is_where_the_build_writes() -> None:
    assert f'outDir: "../{STATIC.relative_to(ROOT).as_posix()}"' in (ROOT / "web/vite.config.ts").read_text()
