"""`make load`: one scenario on a database and server of its own (or a running one), checked at the end."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import asyncpg
import typer
from rich.console import Console
from rich.markup import escape

from core.errors import RtsError
from core.settings import get_settings
from db.environment import confirm_target
from db.pools import SERVER_SETTINGS
from loadtest.checks.conservation import Conservation, check_conservation
from loadtest.checks.fairness import Fairness, compare, read_messages
from loadtest.checks.result import REPORTS, RESULTS, LoadResult, exit_status
from loadtest.checks.rollups import LevelCheck, check_rollups
from loadtest.environment import LoadEnvironment, own_site
from loadtest.fleet.scenarios import SCENARIOS
from loadtest.generator import Page
from loadtest.machine import describe_machine
from loadtest.plan import LoadSettings, PauseName, ScenarioName
from loadtest.report import show
from loadtest.runner import run_plan

DEFAULTS = LoadSettings()


class SiteError(RtsError):
    """This run cannot be made against that server."""

    code: ClassVar[str] = "load_site"


def main(
    scenario: Annotated[ScenarioName, typer.Option(help="what happens")] = "steady",
    agents: Annotated[int, typer.Option(min=1, help="simulated agents")] = DEFAULTS.agents,
    seconds: Annotated[float, typer.Option(min=1, help="how long uploads are due")] = DEFAULTS.seconds,
    interval: Annotated[
        str, typer.Option(help="of uploads and heartbeats, in seconds; the agents take turns with several")
    ] = "60,300",
    dashboards: Annotated[int, typer.Option(min=0, help="people who read charts")] = DEFAULTS.dashboards,
    pause: Annotated[float, typer.Option(help="database-pause: seconds without a database")] = DEFAULTS.pause,
    pause_how: Annotated[PauseName, typer.Option(help="cut: connections refused; freeze: open, but silent")] = "cut",
    processes: Annotated[int, typer.Option(min=1, max=64, help="of the server, where it is the run's own")] = 1,
    seed: Annotated[int, typer.Option(help="of values and retries")] = DEFAULTS.seed,
    host: Annotated[
        str,
        typer.Option(
            help="aim at a server that runs already, http://…; DATABASE_URL and RTS_KEYS_FILE must be its own"
        ),
    ] = "",
    web: Annotated[bool, typer.Option("--web", help="Locust's own page instead of a headless run")] = False,
    web_port: Annotated[int, typer.Option(help="where the page is, on 127.0.0.1")] = 8089,
    results: Annotated[Path, typer.Option(help="where the JSON goes")] = RESULTS,
) -> None:
    """Run a load scenario, and check that nothing was lost: exit status 1 when the check doesn't hold.

    Without --host it starts its own server and worker, on a new database (on DATABASE_URL's server, or an
    embedded one). With --host it leaves its businesses and devices in that server's database: aim at one for tests.

    For example:

    python -m loadtest.run --scenario reconnect-storm --agents 200 --seconds 30

    DATABASE_URL=postgresql://… python -m loadtest.run --agents 5000 --interval 60 --processes 2

    python -m loadtest.run --scenario poison-tenant --web
    """
    settings = LoadSettings(
        scenario=scenario, agents=agents, seconds=seconds, intervals=parse_intervals(interval),
        dashboards=dashboards, pause=pause, pause_how=pause_how, seed=seed, processes=processes,
    )  # fmt: skip
    console = Console()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have had them ignored
        signal.signal(number, signal.default_int_handler)
    try:
        result = run(settings, console, host, Page(web_port) if web else None)
    except RtsError as error:
        Console(stderr=True).print(f"[red]{error.code}[/red]: {escape(error.message)}", highlight=False)
        sys.exit(2)
    show(result, console)
    if not web and not result.outcome["interrupted"]:
        console.print(f"written to {result.save(results)}", soft_wrap=True)
    console.print(f"Locust's report is {report_path(settings, result.kind)}", soft_wrap=True)
    sys.exit(exit_status(result))


def run(settings: LoadSettings, console: Console, host: str = "", page: Page | None = None) -> LoadResult:
    """Play a scenario and check it; raises RtsError."""
    with tempfile.TemporaryDirectory() as name, site_for(settings, host, Path(name)) as site:
        load_before = [round(load, 2) for load in os.getloadavg()]
        if page:
            console.print(f"Locust's page: [bold]http://{page.host}:{page.port}[/bold] (Ctrl-C ends it and checks)")
        report = report_path(settings, site.kind)
        report.parent.mkdir(exist_ok=True)
        outcome = run_plan(site, settings, Path(name), report, console, page)
        site.stop()
        with console.status("Comparing with the database …"):
            conservation, rollups, machine = asyncio.run(check(site, outcome["accounts"]))
            fairness = asyncio.run(check_fairness(site, outcome)) if SCENARIOS[settings.scenario].attacks else None
    machine |= {"load_before": load_before}
    return LoadResult(settings, site.kind, machine, outcome, conservation, rollups, fairness)


async def check(
    site: LoadEnvironment, accounts: list[dict[str, Any]]
) -> tuple[Conservation, list[LevelCheck], dict[str, Any]]:
    """Compare the agents' accounts, and the rollups, with the rows; and describe the machine."""
    connection = await asyncpg.connect(site.dsn, server_settings=SERVER_SETTINGS)
    try:
        conservation = await check_conservation(connection, accounts)
        ids = [UUID(account["agent_id"]) for account in accounts]
        return conservation, await check_rollups(connection, ids, own=site.own), await describe_machine(connection)
    finally:
        await connection.close()


async def check_fairness(site: LoadEnvironment, outcome: dict[str, Any]) -> Fairness | None:
    """Compare the others beside the attack with the others alone; None where one of them sent nothing."""
    fairness = compare(outcome["measures"]["uploads"], "alone", "others")
    prompt, end = outcome["attacks"]["prompt"], outcome["start"] + outcome["took_seconds"]
    if not fairness or not prompt:
        return fairness
    connection = await asyncpg.connect(site.dsn, server_settings=SERVER_SETTINGS)
    try:
        return replace(fairness, messages=await read_messages(connection, prompt, end))
    finally:
        await connection.close()


@contextmanager
def site_for(settings: LoadSettings, host: str, directory: Path) -> Iterator[LoadEnvironment]:
    """Yield what the run aims at; raises SiteError where a running server won't do."""
    if host:
        running = get_settings()
        if SCENARIOS[settings.scenario].pauses_database:
            raise SiteError("A server that runs already keeps its database: leave HOST out for this scenario.")
        if not running.database_url:
            raise SiteError("Set DATABASE_URL and RTS_KEYS_FILE to those of the server that HOST names.")
        confirm_target(running.database_url, "", running.environment)
        yield LoadEnvironment(host.rstrip("/"), running.database_url, running.keys_file, "host")
        return
    scenario = SCENARIOS[settings.scenario]
    server = {"RTS_WORKERS": str(settings.processes), **scenario.server}
    with own_site(directory, proxied=scenario.pauses_database, settings=server) as site:
        yield site


def parse_intervals(text: str) -> tuple[float, ...]:
    try:
        intervals = tuple(float(part) for part in text.split(","))
    except ValueError:
        intervals = ()
    if not intervals or min(intervals) <= 0:
        raise typer.BadParameter("seconds above 0, with commas between: 60,300", param_hint="--interval")
    return intervals


def report_path(settings: LoadSettings, kind: str) -> Path:
    """Return where Locust's HTML report goes."""
    return REPORTS / f"{settings.label}-{kind}.html"


if __name__ == "__main__":
    typer.run(main)
