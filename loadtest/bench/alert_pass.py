"""How long one evaluation of all alert rules takes, in one run: one rule a business, ten, and ten rules for all.

Ten rules for all read the same windows of the same devices as ten rules for each of a thousand businesses: between
these two only the number of rules differs.
"""

import statistics
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec
from rich.console import Console

from alerts.state.evaluate import evaluate
from core.clock import utc_now
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from loadtest.bench.report import show
from loadtest.databases import LoadDatabase
from rollups.refresh import refresh_range

QUERIES = load_beside(__file__, "fleet.sql")
HISTORY = timedelta(hours=30)
CASES = {
    "one rule a business": ("add_rules", 1),
    "ten rules a business": ("add_rules", 10),
    "ten rules for all": ("add_rules_for_all", 10),
}
SHAPES = [
    {"metric": "cpu_percent", "operator": ">", "threshold": 79.9, "duration_minutes": 15},
    {"metric": "memory_percent", "operator": ">", "threshold": 59.9, "duration_minutes": 15},
    {"metric": "disk_percent", "operator": ">", "threshold": 90, "duration_minutes": 10},
    {"metric": "cpu_percent", "operator": ">", "threshold": 90, "duration_minutes": 60, "aggregate": "avg"},
    {"metric": "load_average_1m", "operator": ">", "threshold": 8, "duration_minutes": 30, "aggregate": "max"},
    {"metric": "disk_percent", "change_by": 20, "within_minutes": 60},
    {"metric": "cpu_percent", "operator": ">", "threshold": 70, "duration_minutes": 360, "aggregate": "avg"},
    {"metric": "memory_percent", "operator": ">", "threshold": 90, "duration_minutes": 60, "aggregate": "share",
     "share_percent": 50},
    {"no_data_minutes": 60},
    {"offline_minutes": 60},
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlertPassScale:
    """How large the fleet is, and how often each case is evaluated."""

    businesses: int = 1000
    devices_each: int = 10
    passes: int = 5

    @property
    def devices(self) -> int:
        return self.businesses * self.devices_each


@dataclass(frozen=True, slots=True)
class PassResult:
    """One row of the result: seconds are the median of several passes."""

    given: str
    rules: int
    devices: int
    statements: int
    seconds: float
    worst_seconds: float


async def run(database: LoadDatabase, console: Console, scale: AlertPassScale | None = None) -> dict[str, Any]:
    """Fill a database, evaluate in each case, and return the settings and a result for each."""
    scale = scale or AlertPassScale()
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    now = utc_now().replace(second=0, microsecond=0)
    with console.status(f"Filling a fleet of {scale.devices:,} devices …"):
        employee = await fill(connection, scale, now)
    with console.status("Evaluating …"):
        results = [await passes(connection, scale, now, employee, case) for case in CASES.items()]
    await connection.close()
    show(console, "One alert pass", [asdict(result) for result in results])
    one, ten, for_all = (result.seconds for result in results)
    ratios = {"ten_to_one": round(ten / one, 2), "ten_thousand_rules_to_ten": round(ten / for_all, 2)}
    console.print(
        f"ten rules a business take {ratios['ten_to_one']} times as long as one, and "
        f"{ratios['ten_thousand_rules_to_ten']} times as long as ten rules for all, which read the same"
    )
    settings = asdict(scale) | {"shapes": SHAPES}
    return {"settings": settings, "results": [asdict(result) for result in results], "ratios": ratios}


async def fill(connection: asyncpg.Connection, scale: AlertPassScale, now: datetime) -> Any:
    """Write businesses, devices and their samples, rolled up; return the employee who makes the rules."""
    employee = await connection.fetchval(QUERIES["add_employee"])
    await connection.execute(*QUERIES.bind("add_businesses", businesses=scale.businesses))
    await connection.execute(*QUERIES.bind("add_devices", devices_each=scale.devices_each, now=now))
    for hours in range(int(HISTORY / timedelta(hours=1)), 0, -6):
        begin = now - timedelta(hours=hours)
        until = begin + timedelta(hours=6) - timedelta(minutes=5)
        await connection.execute(*QUERIES.bind("add_samples", start=begin, end=until))
    await connection.execute(*QUERIES.bind("set_newest", since=now - timedelta(hours=1)))
    await refresh_range(connection, now - HISTORY, now, now)
    await connection.execute("VACUUM ANALYZE")
    return employee


async def passes(
    connection: asyncpg.Connection,
    scale: AlertPassScale,
    now: datetime,
    employee: Any,
    case: tuple[str, tuple[str, int]],
) -> PassResult:
    """Evaluate several times, 30 seconds of the rules' clock apart."""
    devices, (query, count) = case
    await connection.execute(QUERIES["forget_rules"])
    await connection.execute(QUERIES["begin_anew"])
    await connection.execute(
        *QUERIES.bind(query, shapes=msgspec.json.encode(SHAPES).decode(), rules_each=count, employee_id=employee)
    )
    done = [await evaluate(connection, now + number * timedelta(seconds=30)) for number in range(1, scale.passes + 1)]
    seconds = [one.seconds for one in done if one]
    last = done[-1]
    assert last
    return PassResult(
        devices,
        last.rules,
        scale.devices,
        last.statements,
        round(statistics.median(seconds), 3),
        round(max(seconds), 3),
    )
