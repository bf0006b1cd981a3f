"""One run from the fleet to the outcome: the generator started, its progress shown, the database paused when due."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from rich.console import Console
from rich.status import Status

from auth.keys import KeyFile
from auth.tokens import Tokens
from core.clock import utc_now
from db.pools import SERVER_SETTINGS
from loadtest.attacks.attackers import Attackers
from loadtest.environment import LoadEnvironment, cpu_of_each
from loadtest.fleet.scenarios import SCENARIOS
from loadtest.fleet.tenants import add_fleet
from loadtest.generator import Generator, Page
from loadtest.plan import LoadPlan, LoadSettings
from loadtest.proxy import DatabaseProxy

PLAIN_LINE_SECONDS = 10.0  # where there is no terminal, a line this often


class Pause:
    """Takes the database away for a while, by the run's clock."""

    def __init__(self, settings: LoadSettings, proxy: DatabaseProxy) -> None:
        self._settings = settings
        self._proxy = proxy
        self.state = ""

    def follow(self, elapsed: float) -> None:
        """Begin or end the pause when its time has come; `elapsed` is seconds since the first slot."""
        begin = self._settings.pause_after
        if not self.state and elapsed >= begin:
            self.state = "database away"
            if self._settings.pause_how == "freeze":
                self._proxy.freeze()
            else:
                self._proxy.cut()
        elif self.state == "database away" and elapsed >= begin + self._settings.pause:
            self.state = "database back"
            self._proxy.mend()


class ProgressLine:
    """One line that is written again on a terminal, and plain lines elsewhere."""

    def __init__(self, settings: LoadSettings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._status: Status | None = console.status("starting …") if console.is_terminal else None
        self._shown = -PLAIN_LINE_SECONDS

    def __enter__(self) -> "ProgressLine":
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def show(self, progress: dict[str, Any], note: str) -> None:
        """Show the generator's progress."""
        line = (
            f"{self._settings.scenario}: {max(0.0, progress['elapsed']):.0f} of {self._settings.seconds:.0f} s, "
            f"{progress['uploads']:,} uploads answered, {progress['waiting']:,} samples on their way, "
            f"{progress['waits']:,} answers to wait, generator at {progress['cpu']:.0%} of a core {note}"
        )
        if self._status:
            self._status.update(line)
        elif time.monotonic() - self._shown >= PLAIN_LINE_SECONDS:
            self._shown = time.monotonic()
            self._console.print(line, highlight=False, soft_wrap=True)


async def make_plan(site: LoadEnvironment, settings: LoadSettings, directory: Path) -> LoadPlan:
    """Write the fleet into the database and return the plan of the run."""
    now = utc_now()
    connection = await asyncpg.connect(site.dsn, server_settings=SERVER_SETTINGS)
    fleet = await add_fleet(connection, settings, Tokens(KeyFile(site.keys)), now)
    await connection.close()
    base = now.replace(second=0, microsecond=0).timestamp()
    outcome = str(directory / "outcome.json")
    parties = fleet.members, fleet.viewers, outcome, fleet.attackers, fleet.employee, fleet.businesses
    return LoadPlan(settings, site.host, base, *parties)


def run_plan(
    site: LoadEnvironment,
    settings: LoadSettings,
    directory: Path,
    report: Path,
    console: Console,
    page: Page | None = None,
) -> dict[str, Any]:
    """Run the scenario and return its outcome; Ctrl-C ends it early, with the counts until then."""
    plan = asyncio.run(make_plan(site, settings, directory))
    scenario = SCENARIOS[settings.scenario]
    pause = Pause(settings, site.proxy) if scenario.pauses_database and site.proxy else None
    attackers = Attackers(plan, with_hooks=site.own) if scenario.attacks else None
    began, before = time.monotonic(), cpu_of_each(site.pids)
    psutil.cpu_percent()  # begins to count
    generator = Generator(plan, directory, report, page)
    try:
        with ProgressLine(settings, console) as line:
            interrupted = listen(generator, line, pause or attackers)
        after, took = cpu_of_each(site.pids), time.monotonic() - began
        busy = round(psutil.cpu_percent() / 100, 3)
        outcome = generator.outcome()
    finally:
        generator.close()
        if pause and site.proxy:
            site.proxy.mend()
        attacked = attackers.close() if attackers else None
    outcome |= {"attacks": attacked} | {"interrupted": interrupted, "machine_busy": busy}
    outcome["cpu_shares"] = {name: round((after[name] - before[name]) / took, 3) for name in after}
    outcome["started_at"] = datetime.fromtimestamp(outcome["start"], UTC).isoformat(timespec="seconds")
    return outcome


def listen(generator: Generator, line: ProgressLine, beside: Pause | Attackers | None) -> bool:
    """Follow the generator until it ends; return True when Ctrl-C ended it."""
    ending = False
    while True:
        try:
            for progress in generator.progress():
                if beside:
                    beside.follow(progress["elapsed"])
                line.show(progress, beside.state if beside else "")
        except KeyboardInterrupt:
            if ending:
                raise
            ending = True
            generator.interrupt()
        else:
            return ending
