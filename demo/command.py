"""The demo orders something harmless of this machine's agent and watches it on the live channel, as a portal would."""

import asyncio
import json
import time
from typing import Any

import httpx
from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect

from demo.credentials import Credentials

TIMEOUT_SECONDS = 20.0
ENDED = ("completed", "failed", "timeout", "cancelled", "expired")


async def show_commands(credentials: Credentials, agent_id: str, console: Console) -> None:
    """Order a sample and an inventory, and print the course of each; a demo without an answer continues."""
    headers = {"Authorization": f"Bearer {credentials.employee_token}"}
    address = credentials.base_url.replace("http", "ws", 1) + "/ws"
    async with (
        httpx.AsyncClient(base_url=credentials.base_url, headers=headers, timeout=30) as http,
        connect(address, additional_headers=headers) as line,
    ):
        await line.send(json.dumps({"type": "subscribe", "agent_ids": [agent_id]}))
        for command_type in ("collect_now", "collect_inventory"):
            response = await http.post(f"/api/agents/{agent_id}/commands", json={"command_type": command_type})
            if response.status_code != 201:  # its device was taken out of service just now
                console.print(
                    f"[yellow]![/yellow] {command_type}: {response.json()['error']['message']}", highlight=False
                )
                continue
            command = response.json()
            course = await watch(line, command["command_id"])
            answer = (await http.get(f"/api/agents/{agent_id}/commands/{command['command_id']}")).json()
            output = (answer["stdout"] or answer["error_message"] or "").strip()
            console.print(f"[green]✓[/green] {command_type}: {course}", highlight=False)
            console.print(f"  {output}", style="dim", highlight=False, markup=False, no_wrap=True, overflow="ellipsis")


async def watch(line: ClientConnection, command_id: str) -> str:
    """Return the status updates of a command on the live channel: `sent 12 ms → executing 31 ms → completed 80 ms`."""
    began = time.monotonic()
    course: list[str] = []
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not course or not course[-1].startswith(ENDED):
                message: dict[str, Any] = json.loads(await line.recv())
                if message["type"] == "command_update" and message["command_id"] == command_id:
                    course.append(f"{message['status']} {1000 * (time.monotonic() - began):.0f} ms")
    except TimeoutError:
        course.append("no end within 20 s; its agent may still be connecting")
    return " → ".join(course)
