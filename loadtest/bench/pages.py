"""The web pages in a real Chromium: how soon they show, how much they compute, how much of it stays.

10,000 devices, one of them with a day of samples. The main thread's CPU time comes from the browser itself
(`Performance.getMetrics`, time domain threadTicks), so that other processes on the machine count less. Each figure is
the median of some fresh tabs.
"""

import asyncio
import gzip
import json
import re
import shutil
import statistics
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, WebSocketRoute, async_playwright, expect
from rich.console import Console

from core.clock import utc_now
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from loadtest.bench.page_session import Session, measure_session
from loadtest.bench.report import show
from loadtest.bench.serving import BenchServer, serving
from loadtest.databases import LoadDatabase
from pages.files import STATIC

FLEET = load_beside(__file__, "fleet.sql")
QUERIES = load_beside(__file__, "pages.sql")
BUSINESSES = 100
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 375, "height": 812}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--enable-precise-memory-info",
]
FRAMES_PER_SECOND, CHANGED = 1, 50  # gathered frames of the live channel, and devices in each
OBSERVE = """() => {
  window.shift = 0; window.lcp = 0; window.long = 0;
  const watch = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({type, buffered: true});
  watch("layout-shift", (one) => { if (!one.hadRecentInput) window.shift += one.value; });
  watch("largest-contentful-paint", (one) => { window.lcp = one.startTime; });
  watch("longtask", () => { window.long += 1; });
}"""


@dataclass(frozen=True, slots=True)
class PagesScale:
    """How much is measured."""

    devices: int = 10_000
    rounds: int = 3
    live_seconds: int = 30
    session_minutes: int = 30  # of live frames, sent 20 times as fast
    session_rounds: int = 6


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a tab goes and how fast its machine is."""

    name: str
    path: str
    viewport: dict[str, int]
    slowdown: int = 1


async def run(database: LoadDatabase, console: Console, scale: PagesScale | None = None) -> dict[str, Any]:
    """Fill a fleet, visit the pages and return the figures."""
    scale = scale or PagesScale()
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    device = await fill(connection, scale)
    employee = await connection.fetchval(FLEET["add_employee"])
    await connection.close()
    with serving(database) as server:
        token = server.tokens.issue_person(
            {"sub": str(employee), "employee_id": str(employee)}, utc_now(), timedelta(days=1)
        )
        async with async_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            results = await measure(browser, server, token, device, scale)
            await browser.close()
    show(console, "Web pages", results)
    return {"settings": asdict(scale), "results": results, "bytes": sizes()}


async def fill(connection: asyncpg.Connection, scale: PagesScale) -> UUID:
    """Write the fleet and a day of samples of one device; return that one."""
    now = utc_now()
    await connection.execute(*FLEET.bind("add_businesses", businesses=BUSINESSES))
    await connection.execute(*FLEET.bind("add_devices", devices_each=scale.devices // BUSINESSES, now=now))
    day_id: UUID = await connection.fetchval(*QUERIES.bind("add_day", start=now - timedelta(days=1), now=now))
    await connection.execute(*QUERIES.bind("set_values", now=now))
    return day_id


def sizes() -> dict[str, int]:
    """Return the packed bytes of scripts, styles and texts."""
    return {
        path.suffix + " " + path.name.split("-")[0]: len(gzip.compress(path.read_bytes(), 9))
        for path in sorted((STATIC / "assets").iterdir())
    }


async def measure(
    browser: Browser, server: BenchServer, token: str, device: UUID, scale: PagesScale
) -> list[dict[str, Any]]:
    """Return a row for each figure: what, its median, its bar."""
    visits = (
        Visit("device page, 1440", f"/dashboard/agents/{device}", WIDE),
        Visit("device page, 1440, CPU x4", f"/dashboard/agents/{device}", WIDE, 4),
        Visit("device page, 375", f"/dashboard/agents/{device}", NARROW),
        Visit("device list, 1440", "/dashboard/agents", WIDE),
        Visit("overview, 1440", "/dashboard", WIDE),
    )
    rows: list[dict[str, Any]] = []
    for visit in visits:
        page_visits = [await visited(browser, server, token, visit) for _ in range(scale.rounds)]
        rows.append(
            {
                "what": f"{visit.name}: LCP, ms",
                **figures([one["lcp"] for one in page_visits], 2500 if visit.slowdown > 1 else 1000),
            }
        )
        rows.append({"what": f"{visit.name}: layout shift", **figures([one["shift"] for one in page_visits], 0.01)})
    return rows + await list_figures(browser, server, token, scale)


def figures(values: list[float], bar: float) -> dict[str, float]:
    """Return median, highest and bar."""
    return {"median": round(statistics.median(values), 4), "highest": round(max(values), 4), "bar": bar}


async def opened(browser: Browser, server: BenchServer, token: str, viewport: dict[str, int]) -> BrowserContext:
    """Return a fresh context that is signed in."""
    context = await browser.new_context(viewport=viewport, locale="en-GB")  # type: ignore[arg-type]
    await context.add_cookies([{"name": "rts_session", "value": token, "url": f"http://127.0.0.1:{server.port}"}])
    await context.add_init_script(f"({OBSERVE})()")
    return context


async def visited(browser: Browser, server: BenchServer, token: str, visit: Visit) -> dict[str, float]:
    """Open a page in a fresh context; return its largest paint (ms) and layout shift."""
    context = await opened(browser, server, token, visit.viewport)
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": visit.slowdown})
    await page.goto(f"http://127.0.0.1:{server.port}{visit.path}")
    await page.wait_for_selector("main h1")
    await page.wait_for_timeout(2500)
    timings: dict[str, float] = await page.evaluate("({lcp: window.lcp, shift: window.shift})")
    await context.close()
    return timings


async def list_figures(browser: Browser, server: BenchServer, token: str, scale: PagesScale) -> list[dict[str, Any]]:
    """Measure the list of all devices: loaded, filtered by keys, live."""
    loaded: dict[str, list[float]] = {"first rows, ms": [], "all there, ms": [], "a key, CPU ms": [], "DOM nodes": []}
    for _ in range(scale.rounds):
        context = await opened(browser, server, token, WIDE)
        one = await loaded_list(context, server, scale)
        for name, value in one.items():
            loaded[name].append(value)
        await context.close()
    bars = {"first rows, ms": 800, "all there, ms": 2500, "a key, CPU ms": 50, "DOM nodes": 3000}
    rows = [
        {"what": f"{scale.devices:,} devices: {name}", **figures(values, bars[name])} for name, values in loaded.items()
    ]
    rows += await live_figures(browser, server, token, scale)
    return rows + await session_figures(browser, server, token, scale)


async def loaded_list(context: BrowserContext, server: BenchServer, scale: PagesScale) -> dict[str, float]:
    """Load the list and type five letters; times from navigation, CPU of the main thread for each key."""
    page = await context.new_page()
    session = await profiled(page)
    await page.goto(f"http://127.0.0.1:{server.port}/dashboard/agents")
    await page.wait_for_selector(".virtual-row")
    first = await page.evaluate("performance.now()")
    await all_there(page, scale)
    ready = await page.evaluate("performance.now()")
    await page.wait_for_timeout(1500)
    nodes = await page.evaluate("document.getElementsByTagName('*').length")
    box = page.get_by_role("searchbox", name="Search devices")
    await box.focus()
    before = await cpu_ms(session)
    for letter in "vice-":
        await page.keyboard.press(letter)
        await page.wait_for_timeout(400)
    return {
        "first rows, ms": first,
        "all there, ms": ready,
        "a key, CPU ms": (await cpu_ms(session) - before) / 5,
        "DOM nodes": nodes,
    }


async def all_there(page: Page, scale: PagesScale) -> None:
    """Wait until the list has every device; under the pages' policy no text may become script."""
    await expect(page.locator(".counts")).to_have_text(re.compile(f"^{scale.devices:,} "), timeout=60_000)


async def profiled(page: Page) -> CDPSession:
    """Return a session in which the browser counts the CPU time of the page's thread."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


async def browser_metrics(session: CDPSession) -> dict[str, float]:
    """Return what the browser counts of the page, by name."""
    answer = await session.send("Performance.getMetrics")
    return {one["name"]: one["value"] for one in answer["metrics"]}


async def cpu_ms(session: CDPSession) -> float:
    """Return the CPU time of the page's main thread so far, in milliseconds."""
    metrics = await browser_metrics(session)
    return 1000 * metrics["TaskDuration"]


async def live_figures(browser: Browser, server: BenchServer, token: str, scale: PagesScale) -> list[dict[str, Any]]:
    """Send frames of changed devices, as the live channel does, and measure their cost and the memory that stays."""
    context = await opened(browser, server, token, WIDE)
    page = await context.new_page()
    session = await profiled(page)
    lines: list[WebSocketRoute] = []
    await page.route_web_socket("**/ws", lambda line: lines.append(line))
    await page.goto(f"http://127.0.0.1:{server.port}/dashboard/agents")
    await all_there(page, scale)
    answer = await context.request.get(f"http://127.0.0.1:{server.port}/api/agents?limit=1000")
    ids = [one["id"] for one in (await answer.json())["agents"]]
    await frames(lines[-1], ids, 5)
    quiet = await settled_metrics(page, session)
    await page.evaluate("window.long = 0")
    idle = await measure_cpu_ms(session, asyncio.sleep(5))
    busy = await measure_cpu_ms(session, frames(lines[-1], ids, scale.live_seconds))
    after = await settled_metrics(page, session)
    long = await page.evaluate("window.long")
    await context.close()
    return [
        {"what": "50 live devices a second: CPU ms a second", **figures([busy / scale.live_seconds - idle / 5], 20)},
        {"what": "50 live devices a second: long tasks", **figures([long], 0)},
        {
            "what": f"{scale.live_seconds} s live: heap growth, MB",
            **figures([(after["JSHeapUsedSize"] - quiet["JSHeapUsedSize"]) / 1e6], 5),
        },
        {
            "what": f"{scale.live_seconds} s live: more listeners",
            **figures([after["JSEventListeners"] - quiet["JSEventListeners"]], 0),
        },
    ]


async def session_figures(browser: Browser, server: BenchServer, token: str, scale: PagesScale) -> list[dict[str, Any]]:
    """Go to and fro between pages while changes come, and see what stays in memory."""
    context = await opened(browser, server, token, WIDE)
    page = await context.new_page()
    lines: list[WebSocketRoute] = []
    await page.route_web_socket("**/ws", lambda line: lines.append(line))
    await page.goto(f"http://127.0.0.1:{server.port}/dashboard/agents")
    await all_there(page, scale)
    answer = await context.request.get(f"http://127.0.0.1:{server.port}/api/agents?limit=1000")
    ids = [one["id"] for one in (await answer.json())["agents"]]
    session = Session(page, await profiled(page), lines, ids)
    session_result = await measure_session(session, scale.session_minutes, scale.session_rounds)
    await context.close()
    bars = {"heap growth, MB": 5, "more listeners": 0, "more DOM nodes": 500}
    return [
        {
            "what": f"{scale.session_minutes} min of changes: {name}, at the end and the most",
            **ended(values, bars[name]),
        }
        for name, values in session_result.items()
    ]


def ended(values: list[float], bar: float) -> dict[str, float]:
    """Return the last value, the highest and the bar."""
    return {"median": round(values[-1], 4), "highest": round(max(values), 4), "bar": bar}


async def measure_cpu_ms(session: CDPSession, work: Any) -> float:
    """Return the CPU time that the page took while something was awaited, in milliseconds."""
    before = await cpu_ms(session)
    await work
    return await cpu_ms(session) - before


async def frames(line: WebSocketRoute, ids: list[str], seconds: int) -> None:
    """Send a frame of changed devices each second."""
    for second in range(seconds):
        at = utc_now().isoformat()
        start = second * CHANGED % len(ids)
        changed = [
            {
                "id": one,
                "last_metrics_received": at,
                "cpu_percent": (second * 7 + place) % 100,
                "memory_percent": 40 + place % 9,
            }
            for place, one in enumerate(ids[start : start + CHANGED])
        ]
        line.send(json.dumps({"type": "fleet", "as_of": at, "devices": changed, "more": False, "id": str(uuid4())}))
        await asyncio.sleep(1 / FRAMES_PER_SECOND)


async def settled_metrics(page: Page, session: CDPSession) -> dict[str, float]:
    """Collect garbage and return what the browser counts."""
    await page.wait_for_timeout(500)
    await session.send("HeapProfiler.collectGarbage")
    return await browser_metrics(session)
