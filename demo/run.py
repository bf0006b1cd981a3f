"""The demo from start to end: database, server, worker, a real agent, a simulated fleet, and what came of it.

Steps: database → schema → businesses → server and worker → credentials → devices → history through the API → rollups →
what happened → live until Ctrl-C. A second run finds everything there and continues.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from alerts.notify.messages import span_in_words
from auth.keys import KeyFile
from auth.tokens import Tokens
from core.clock import utc_now
from core.settings import get_settings
from db.environment import confirm_target
from db.migrations.run import upgrade
from demo.businesses import BUSINESSES, create_businesses, employee_id
from demo.credentials import Credentials, DemoTenant, load_agents
from demo.fleet import SAMPLE_EVERY, DemoFleet, Loaded
from demo.processes import Processes, is_up, wait_until
from demo.scenery import age_devices, create_rules
from demo.summary import machine_id, show_live, show_summary
from embedded.server import EmbeddedServer
from rollups.choose import bucket_start
from rollups.refresh import refresh_range

HISTORY = timedelta(days=7)
TOKEN_LIFETIME = timedelta(days=6)  # below the longest lifetime that the server accepts
AGENT_INTERVAL_SECONDS = 2
START_SECONDS = 60.0
SHOW_EVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`seconds` None: until Ctrl-C. `database_url` empty: the embedded server."""

    port: int
    agents: int
    seconds: float | None
    database_url: str
    directory: Path = Path(".demo")

    @property
    def base_url(self) -> str:
        """Where the demo's server answers."""
        return f"http://127.0.0.1:{self.port}"


def run_demo(options: DemoOptions, console: Console) -> None:
    """Run the demo; ends what it started, whatever happens."""
    options.directory.mkdir(mode=0o700, exist_ok=True)
    keys = options.directory / "keys.json"
    KeyFile(keys).create()
    with database(options, console) as dsn:
        upgrade(dsn)
        asyncio.run(create_businesses(dsn))
        environment = {
            "DATABASE_URL": dsn, "RTS_KEYS_FILE": str(keys), "RTS_PUBLIC_URL": options.base_url,
            "RTS_DEMO_LOGIN": "true",
        }  # fmt: skip
        processes = Processes(options.directory, environment)
        try:
            processes.start("serve", "--port", str(options.port))
            wait_until(lambda: is_up(options.base_url), processes, START_SECONDS)
            processes.start("worker")
            console.print(f"[green]✓[/green] server on {options.base_url}, worker beside it")
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(run_steps(options, dsn, Tokens(KeyFile(keys)), processes, console))
        finally:
            console.print("Stopping …")
            processes.stop()
    console.print("Everything is stopped; [bold]make demo[/bold] continues with the same data.")


@contextmanager
def database(options: DemoOptions, console: Console) -> Iterator[str]:
    """Yield the URL of the database: DEMO_DATABASE_URL's, or the embedded one of this directory."""
    if options.database_url:
        console.print("[green]✓[/green] using the database of DEMO_DATABASE_URL")
        confirm_target(options.database_url, "", get_settings().environment)
        yield options.database_url
        return
    with console.status("Starting the embedded TimescaleDB …"):
        server = EmbeddedServer(options.directory / "timescaledb", log_file=options.directory / "timescaledb.log")
        server.start()
    try:
        console.print(f"[green]✓[/green] embedded TimescaleDB, data in {options.directory / 'timescaledb'}")
        yield server.dsn
    finally:
        server.stop()


async def run_steps(options: DemoOptions, dsn: str, tokens: Tokens, processes: Processes, console: Console) -> None:
    """Everything that needs a running server."""
    path = options.directory / "credentials.json"
    credentials = make_credentials(options, tokens, path)
    async with open_fleet(credentials) as fleet:
        await enrol(options, fleet, credentials, path, processes, console)
        now = utc_now()
        loaded = await load_history(fleet, credentials, path, now, console)
        with console.status("Rolling up 5m → 1h → 1d …"):
            await roll_up(dsn, datetime.fromisoformat(credentials.began) - HISTORY)
        await add_rules_and_window(dsn, credentials, console)
        await show_summary(dsn, credentials, loaded, options.directory, console)
        await live(options, fleet, credentials, path, processes, console)


async def add_rules_and_window(dsn: str, credentials: Credentials, console: Console) -> None:
    """Let the devices be as old as their samples, and make rules and a maintenance window."""
    devices = [UUID(agent.agent_id) for tenant in credentials.businesses for agent in tenant.agents]
    await age_devices(dsn, devices, datetime.fromisoformat(credentials.began) - HISTORY)
    rule_count = await create_rules(credentials)
    if rule_count:
        console.print(f"[green]✓[/green] {rule_count} alert rules, and a weekly maintenance window")


def make_credentials(options: DemoOptions, tokens: Tokens, path: Path) -> Credentials:
    """Write the credentials with fresh tokens, keeping the devices of earlier runs."""
    agents, before = load_agents(path)
    now = utc_now()
    began = before.get("began") or bucket_start(now, SAMPLE_EVERY).isoformat()
    employee = {"sub": str(employee_id()), "employee_id": str(employee_id()), "role": "technician"}
    tenants = [
        DemoTenant(
            str(business.id), business.name,
            tokens.issue_person(
                {"sub": str(business.user_id), "user_id": str(business.user_id), "business_id": str(business.id)},
                now, TOKEN_LIFETIME,
            ),
            agents.get(str(business.id), []),
        )
        for business in BUSINESSES
    ]  # fmt: skip
    credentials = Credentials(
        options.base_url,
        tokens.issue_person(employee, now, TOKEN_LIFETIME),
        tenants,
        began,
        before.get("this_machine"),
        before.get("loaded_until"),
    )
    credentials.save(path)
    return credentials


@asynccontextmanager
async def open_fleet(credentials: Credentials) -> AsyncIterator[DemoFleet]:
    """Yield the fleet over one HTTP client."""
    async with httpx.AsyncClient(base_url=credentials.base_url, timeout=30) as http:
        began = datetime.fromisoformat(credentials.began)
        yield DemoFleet(http, credentials.employee_token, credentials.businesses, began)


async def enrol(
    options: DemoOptions,
    fleet: DemoFleet,
    credentials: Credentials,
    path: Path,
    processes: Processes,
    console: Console,
) -> None:
    """Register the simulated devices that are missing, and this machine, whose agent is started."""
    sites = {str(business.id): [str(site) for site in business.site_ids()] for business in BUSINESSES}
    with console.status("Registering devices …"):
        await fleet.enrol(options.agents, sites, lambda: None)
        credentials.save(path)
        state = options.directory / "agent.json"
        arguments = [
            "--server",
            options.base_url,
            "--state",
            str(state),
            "--interval",
            str(AGENT_INTERVAL_SECONDS),
        ]
        if not state.exists():
            business, name = BUSINESSES[0], "this-machine"
            site = sites[str(business.id)][0]
            token = await fleet.registration_token(str(business.id), site, name, AGENT_INTERVAL_SECONDS)
            arguments += ["--token", token]
        processes.start("agent", *arguments, may_end=True)  # its device may be revoked
        await until_exists(state, processes)
        credentials.this_machine = machine_id(options.directory)
        credentials.save(path)
    count = sum(len(tenant.agents) for tenant in credentials.businesses)
    console.print(f"[green]✓[/green] {count} simulated devices, and the real agent of this machine")


async def until_exists(state: Path, processes: Processes) -> None:
    """Wait until the agent has registered and written its state."""
    await asyncio.to_thread(wait_until, state.exists, processes, START_SECONDS)


async def load_history(
    fleet: DemoFleet, credentials: Credentials, path: Path, now: datetime, console: Console
) -> Loaded:
    """Upload what the simulated devices measured since the last run, at most the last 7 days, with a progress bar."""
    end = end_of_measured(now)
    start = end - HISTORY
    if credentials.loaded_until:
        start = max(start, datetime.fromisoformat(credentials.loaded_until))
    total = fleet.count(start, end)
    if not total:
        return Loaded()
    columns = (
        TextColumn("Uploading {task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("samples"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(span_in_words(end - start), total=total)
        loaded = await fleet.load(start, end, lambda samples: progress.advance(task, samples))
    show_refusals(fleet, console)
    credentials.loaded_until = end.isoformat()
    credentials.save(path)
    return loaded


def end_of_measured(now: datetime) -> datetime:
    """Return the end, exclusive, of the samples whose time has come: each is uploaded when it is due."""
    return bucket_start(now, SAMPLE_EVERY) + SAMPLE_EVERY


def show_refusals(fleet: DemoFleet, console: Console) -> None:
    """Print which devices the server refuses since the last time."""
    for refusal in fleet.new_refusals():
        console.print(f"[yellow]![/yellow] {refusal}", highlight=False, soft_wrap=True)


async def roll_up(dsn: str, since: datetime) -> None:
    """Refresh every level now, so that the first look doesn't wait for the policies' next turn."""
    connection = await asyncpg.connect(dsn)
    now = utc_now()
    await refresh_range(connection, max(since, now - HISTORY), now, now)
    await connection.close()


async def live(
    options: DemoOptions,
    fleet: DemoFleet,
    credentials: Credentials,
    path: Path,
    processes: Processes,
    console: Console,
) -> None:
    """Let the simulated fleet upload on, and show this machine's newest sample, until time is up."""
    deadline = None if options.seconds is None else asyncio.get_running_loop().time() + options.seconds
    while deadline is None or asyncio.get_running_loop().time() < deadline:
        for ended in processes.check():
            console.print(f"[yellow]![/yellow] {ended}", highlight=False)
        start = datetime.fromisoformat(credentials.loaded_until or credentials.began)
        end = end_of_measured(utc_now())
        if end > start:
            await fleet.load(start, end, lambda _: None)
            show_refusals(fleet, console)
            credentials.loaded_until = end.isoformat()
            credentials.save(path)
        await show_live(credentials, options.directory, console)
        pause = SHOW_EVERY_SECONDS
        if deadline is not None:
            pause = max(0.0, min(pause, deadline - asyncio.get_running_loop().time()))
        await asyncio.sleep(pause)
