"""How long charts take through the API, beside the bare SQL that they run; and what ten times the devices cost.

Each round asks for each chart once through the API and once by the same query on one connection of asyncpg, in turns
which comes first. "one" asks for one device again and again, "any" for another device in each round.
"""

import http.client
import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from rich.console import Console

from core.clock import utc_now
from core.metrics import METRICS
from db.hypertables.policies import DAY
from db.pools import SERVER_SETTINGS
from loadtest.bench.backfill import QUERIES, write_past
from loadtest.bench.report import show
from loadtest.bench.serving import BenchServer, get, serving
from loadtest.bench.spread import ratios, spread_ms
from loadtest.databases import LoadDatabase
from rollups.chart_sql import AGGREGATES
from rollups.history import find_metrics, plan_history
from rollups.plans import HistoryQuery

RANGES = {"24 h": DAY, "7 d": 7 * DAY, "30 d": 30 * DAY, "1 y": 365 * DAY}
WARM_ROUNDS = 5
WRITERS = 2  # connections that fill a real server; the embedded one has one


@dataclass(frozen=True, slots=True)
class ChartsScale:
    """How much is written and asked: `fleets` are device counts, each measured in its turn, the last one in full."""

    fleets: tuple[int, ...] = (1000, 10_000)
    rounds: int = 200
    whole: int = 10  # devices with all that is kept, the others have what charts read


@dataclass(frozen=True, slots=True)
class Chart:
    """One call: its range, and what it asks for. The default is the contract's: a row a bucket, with all metrics."""

    length: timedelta
    metrics: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ("avg",)
    max_points: int = 800
    form: str = "rows"

    def history_query(self, device: UUID, end: datetime) -> HistoryQuery:
        """Return what the server asks its database for."""
        metrics = find_metrics(self.metrics) or METRICS
        return HistoryQuery(device, end - self.length, end, metrics, None, self.max_points, self.aggregates)

    def path(self, device: UUID, end: datetime) -> str:
        """Return the address of the call."""
        query = {
            "start": (end - self.length).isoformat(), "end": end.isoformat(), "metric": ",".join(self.metrics),
            "aggregates": ",".join(self.aggregates), "max_points": self.max_points, "format": self.form,
        }  # fmt: skip
        return f"/api/agents/{device}/metrics/history?{urlencode(query)}"


PAGE_METRICS = ("cpu_percent", "memory_percent", "disk_percent", "network_rx_bytes", "network_tx_bytes")
PAGE = Chart(DAY, PAGE_METRICS, AGGREGATES, 640, "columns")  # the one call of a device's page
CHARTS = {name: Chart(length) for name, length in RANGES.items()}
CHARTS |= {f"page {name}": replace(PAGE, length=length) for name, length in RANGES.items()}
EMBEDDED = ChartsScale((20, 200), 50)


@dataclass(frozen=True, slots=True)
class Viewed:
    """A device, its business, and the token of a user who may see it."""

    device: UUID
    business: UUID
    token: str


async def run(database: LoadDatabase, console: Console, scale: ChartsScale | None = None) -> dict[str, Any]:
    """Fill and measure each fleet, and return settings, results and ratios."""
    scale = scale or (EMBEDDED if database.kind == "embedded" else ChartsScale())
    writers = 1 if database.kind == "embedded" else WRITERS
    connections = [await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS) for _ in range(writers)]
    connection = connections[0]
    results: list[dict[str, Any]] = []
    written = {}
    for devices in scale.fleets:
        now = utc_now()
        with console.status(f"Filling {devices:,} devices …") as status:
            backfilled = await write_past(connections, devices, scale.whole, now, status)
        written[devices] = asdict(backfilled)
        with serving(database) as server, console.status(f"Asking for charts of {devices:,} devices …"):
            viewed = await find_viewed(connection, server, devices)
            results += await measure(connection, server, viewed[:1], "one", devices, now, scale.rounds)
            if devices == scale.fleets[-1]:
                results += await measure(connection, server, viewed, "any", devices, now, scale.rounds)
    for each in connections:
        await each.close()
    show(console, "Charts (ms)", [table_row(result) for result in results])
    asked = {name: asdict(chart) | {"length": str(chart.length)} for name, chart in CHARTS.items()}
    settings = asdict(scale) | {"charts": asked, "written": written}
    return {"settings": settings, "results": results, "growth": growth(results)}


async def find_viewed(connection: asyncpg.Connection, server: BenchServer, devices: int) -> list[Viewed]:
    """Return devices and users who see them; the first one has the whole past."""
    await connection.execute(QUERIES["add_users"])
    rows = await connection.fetch(*QUERIES.bind("first_devices", limit=devices))
    few = rows[:1] + rows[1 :: max(1, devices // 500)]
    return [Viewed(row["id"], row["business_id"], server.person(row["user_id"], row["business_id"])) for row in few]


async def measure(
    connection: asyncpg.Connection,
    server: BenchServer,
    viewed: list[Viewed],
    group: str,
    devices: int,
    now: datetime,
    rounds: int,
) -> list[dict[str, Any]]:
    """Ask for every chart in each round; return a result for each."""
    web = server.connect()
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in CHARTS}
    answers = {}
    for number in range(-WARM_ROUNDS, rounds):
        device = viewed[number % len(viewed)]
        for name, chart in CHARTS.items():
            api, bare, answers[name] = await ask_twice(connection, web, device, now, chart, api_first=number % 2 == 0)
            if number >= 0:
                times[name][0].append(api)
                times[name][1].append(bare)
    web.close()
    return [
        {"devices": devices, "device": group, "chart": name, **describe_body(answers[name]), "api_ms": spread_ms(api),
         "sql_ms": spread_ms(bare), "api_to_sql": ratios(api, bare)}
        for name, (api, bare) in times.items()
    ]  # fmt: skip


async def ask_twice(
    connection: asyncpg.Connection,
    web: http.client.HTTPConnection,
    who: Viewed,
    now: datetime,
    chart: Chart,
    *,
    api_first: bool,
) -> tuple[float, float, bytes]:
    """Return the seconds through the API, those of the same query alone, and the API's answer."""
    plan = await plan_history(connection, who.business, chart.history_query(who.device, now), now)
    path = chart.path(who.device, now)
    seconds = {}
    for through_api in (api_first, not api_first):
        began = time.perf_counter()
        if through_api:
            body = get(web, path, who.token)
        else:
            await connection.fetch(*plan.query)
        seconds[through_api] = time.perf_counter() - began
    return seconds[True], seconds[False], body


def describe_body(body: bytes) -> dict[str, Any]:
    """Return what an answer was made of."""
    answer = json.loads(body)
    points = answer.get("metrics") or answer["timestamps"]
    return {
        "level": answer["level"], "bucket_seconds": answer["bucket_seconds"], "points": len(points), "bytes": len(body),
    }  # fmt: skip


def growth(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what ten times the devices cost, chart by chart, and a year beside a day; both through the API."""
    small, large = (
        {one["chart"]: one["api_ms"] for one in results if one["devices"] == devices and one["device"] == "one"}
        for devices in (results[0]["devices"], results[-1]["devices"])
    )
    return {
        "ten_times_the_devices": {name: round(large[name]["p50"] / small[name]["p50"], 2) for name in CHARTS},
        "year_to_day": round(large["1 y"]["p50"] / large["24 h"]["p50"], 2),
    }


def table_row(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result as a row of the table."""
    api, bare = result["api_ms"], result["sql_ms"]
    return {
        "devices": result["devices"], "device": result["device"], "chart": result["chart"], "level": result["level"],
        "points": result["points"], "API p50": api["p50"], "p99": api["p99"], "SQL p50": bare["p50"],
        "SQL p99": bare["p99"], "ratio": result["api_to_sql"]["median"],
    }  # fmt: skip
