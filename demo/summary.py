"""The summary of the demo: rows and sizes of the levels, a chart of this machine's CPU, and next steps."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import plotext  # type: ignore[import-untyped]
from rich.console import Console
from rich.text import Text

from core.clock import utc_now
from demo.businesses import BUSINESSES, EMPLOYEES
from demo.command import show_commands
from demo.credentials import Credentials
from demo.fleet import Loaded
from health.tables import levels_table
from rollups.status import count_rows, read_status

CHART_LINES, CHART_COLUMNS = 12, 90
ENOUGH_TO_DRAW, MAX_WAITS = 5, 20
NO_HISTORY: dict[str, Any] = {"timestamps": [], "level": "none", "series": {"cpu_percent": {"avg": []}}}


async def show_summary(dsn: str, credentials: Credentials, loaded: Loaded, directory: Path, console: Console) -> None:
    """Print the row counts, this machine's CPU, a device's week, two commands, and the next steps."""
    connection = await asyncpg.connect(dsn)
    rows, levels = await count_rows(connection), await read_status(connection)
    await connection.close()
    console.print(
        f"[green]✓[/green] {loaded.samples:,} samples uploaded: "
        f"{loaded.accepted:,} new, {loaded.duplicates:,} there already"
    )
    console.print(levels_table(levels, utc_now(), rows))
    in_service = await is_in_service(credentials, machine_id(directory))
    await show_charts(credentials, directory, console, MAX_WAITS if in_service else 0)
    if in_service:
        console.print("Two commands to this machine's agent, as the live channel reports them:")
        await show_commands(credentials, machine_id(directory), console)
    else:
        console.print("[yellow]![/yellow] This machine's device is out of service: no commands to it.")
    show_next_steps(credentials, directory, console)


async def is_in_service(credentials: Credentials, agent_id: str) -> bool:
    """Return whether a device is there, active, and has a token that is good."""
    async with employee_client(credentials) as http:
        response = await http.get(f"/api/agents/{agent_id}")
    device = response.json()
    return response.status_code == 200 and device["is_active"] and device["token_state"] == "active"  # noqa: S105


async def show_charts(credentials: Credentials, directory: Path, console: Console, waits: int) -> None:
    """Draw this machine's last minutes and one simulated device's week, as the history API gives them.

    `waits` seconds are spent at most on this machine's first samples.
    """
    async with employee_client(credentials) as http:
        own_device = await first_samples(http, machine_id(directory), waits)
        draw(console, "CPU of this machine, percent (raw samples)", own_device)
        device = next((agent for tenant in credentials.businesses for agent in tenant.agents), None)
        if device:
            start = {
                "start": (utc_now() - timedelta(days=7)).isoformat(),
                "max_points": "200",
                "metric": "cpu_percent",
            }
            week = await history(http, device.agent_id, start)
            draw(console, f"CPU of {device.device_name}, percent (7 days, level {week['level']})", week)


async def first_samples(http: httpx.AsyncClient, agent_id: str, waits: int) -> dict[str, Any]:
    """Return this machine's last hour; waits until its agent, just started, has sent enough to draw."""
    query = {
        "interval": "raw",
        "metric": "cpu_percent",
        "start": (utc_now() - timedelta(hours=1)).isoformat(),
    }
    answer = await history(http, agent_id, query)
    for _ in range(waits):
        if len(answer["timestamps"]) >= ENOUGH_TO_DRAW:
            break
        await asyncio.sleep(1)
        answer = await history(http, agent_id, query)
    return answer


async def show_live(credentials: Credentials, directory: Path, console: Console) -> None:
    """Print one line: this machine's newest sample, from the API."""
    async with employee_client(credentials) as http:
        response = await http.get(f"/api/agents/{machine_id(directory)}")
    sample = response.json()["current_metrics"] if response.status_code == 200 else {}
    if sample:
        console.print(
            f"this machine: CPU {sample['cpu_percent']:5.1f} %  memory {sample['memory_percent']:5.1f} %  "
            f"disk {sample['disk_percent']:5.1f} %   [dim]collected {sample['collected_at'][11:19]} UTC[/dim]",
            highlight=False,
        )


def show_next_steps(credentials: Credentials, directory: Path, console: Console) -> None:
    """Say where to look and how to continue by hand."""
    agent = machine_id(directory)
    console.print(
        f"\nOpen [bold]{credentials.base_url}/dashboard[/bold] in a browser on this machine and choose a login:"
    )
    console.print(f"  {EMPLOYEES[0]} or {EMPLOYEES[1]} (employees, who see every business), or a customer:")
    for business in BUSINESSES:
        console.print(f"  {business.users[0]} ({business.name})", highlight=False)
    console.print(f"The API is described at {credentials.base_url}/docs; tokens are in {directory}/credentials.json.")
    console.print("For example, the last day of this machine:")
    read = f"import json; print(json.load(open('{directory}/credentials.json'))['employee_token'])"
    url = f"{credentials.base_url}/api/agents/{agent}/metrics/history?metric=cpu_percent"
    command = f'  TOKEN=$(python3 -c "{read}")\n  curl -s -H "Authorization: Bearer $TOKEN" "{url}"'
    console.print(command, soft_wrap=True, highlight=False, markup=False)
    console.print("Ctrl-C ends everything that the demo started.\n")


def employee_client(credentials: Credentials) -> httpx.AsyncClient:
    """Return an HTTP client that calls as the demo's employee."""
    headers = {"Authorization": f"Bearer {credentials.employee_token}"}
    return httpx.AsyncClient(base_url=credentials.base_url, headers=headers, timeout=30)


async def history(http: httpx.AsyncClient, agent_id: str, query: dict[str, str]) -> dict[str, Any]:
    """Return a device's history in columns; empty for a device that was deleted."""
    response = await http.get(f"/api/agents/{agent_id}/metrics/history", params=query | {"format": "columns"})
    if response.status_code == 404:
        return NO_HISTORY
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


def draw(console: Console, title: str, answer: dict[str, Any]) -> None:
    """Draw the CPU of a history answer; nothing measured leaves a gap."""
    values = answer["series"]["cpu_percent"]["avg"]
    points = [(time, value) for time, value in zip(answer["timestamps"], values, strict=True) if value is not None]
    if len(points) < 2:
        console.print(f"{title}: no samples yet")
        return
    since = points[0][0]
    unit, size = ("days", 86_400) if points[-1][0] - since > 86_400 else ("minutes", 60)
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(CHART_COLUMNS, console.width), CHART_LINES)
    plotext.title(title)
    plotext.xlabel(unit)
    plotext.ylim(0, min(100.0, max(10.0, 1.1 * max(value for _, value in points))))
    plotext.plot([(time - since) / size for time, _ in points], [value for _, value in points], marker="braille")
    console.print(Text.from_ansi(plotext.build()))


def machine_id(directory: Path) -> str:
    """Return the agent_id of this machine's own agent."""
    agent_id: str = json.loads((directory / "agent.json").read_text())["agent_id"]
    return agent_id
