"""A long session in one tab: 30 minutes of live changes in 90 seconds, with walks between pages; what stays in memory.

Each round shows the list of all devices, one device and the alerts, as a technician goes to and fro; live frames come
20 times as fast as the server sends them. Two rounds warm up: code, caches, and the page before, of which the browser
keeps one.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Page, WebSocketRoute

from core.clock import utc_now

TIMES_FASTER = 20  # frames a second, where the server sends one
CHANGED = 50  # devices in each frame of the list
CPU_STEP, MEMORY = 7, 40


@dataclass(frozen=True, slots=True)
class HeapFigures:
    """The memory and nodes of a tab after garbage collection."""

    heap_bytes: float
    listeners: float
    nodes: float


@dataclass(slots=True)
class Session:
    """A tab on the list of devices, its live channel, and the devices that change."""

    page: Page
    profiler: CDPSession
    lines: list[WebSocketRoute]
    ids: Sequence[str]
    sent: int = 0

    async def round(self, frames: int) -> HeapFigures:
        """Watch the list, a device and the alerts, with `frames` live frames in all, and return to the list."""
        await self._watch(self._list_frame, frames // 2)
        await self.page.locator(".virtual-row a").first.click()
        await self.page.locator(".charts canvas").first.wait_for()
        await self._watch(self._sample, frames - frames // 2)
        for path in ("/dashboard/agents/alerts", "/dashboard", "/dashboard/agents"):
            await self.page.locator(f'nav a[href="{path}"]').first.click()
            await self.page.wait_for_url(f"**{path}")
            await self.page.locator("main h1").wait_for()
        await self.page.locator(".virtual-row").first.wait_for()
        return await self._kept()

    async def _watch(self, make: Any, frames: int) -> None:
        for _ in range(frames):
            self.lines[-1].send(json.dumps(make()))
            self.sent += 1
            await asyncio.sleep(1 / TIMES_FASTER)

    def _list_frame(self) -> dict[str, Any]:
        at, start = utc_now().isoformat(), self.sent * CHANGED % len(self.ids)
        devices = [
            {"id": one, "last_metrics_received": at, "cpu_percent": (self.sent * CPU_STEP + place) % 100}
            for place, one in enumerate(self.ids[start : start + CHANGED])
        ]
        return {"type": "fleet", "as_of": at, "devices": devices, "more": False}

    def _sample(self) -> dict[str, Any]:
        device = self.page.url.split("?")[0].rsplit("/", 1)[-1]
        metrics = {"cpu_percent": self.sent * CPU_STEP % 100, "memory_percent": MEMORY, "disk_percent": MEMORY}
        return {"type": "metrics", "agent_id": device, "collected_at": utc_now().isoformat(), "metrics": metrics}

    async def _kept(self) -> HeapFigures:
        await self.page.wait_for_timeout(500)
        await self.profiler.send("HeapProfiler.collectGarbage")
        answer = await self.profiler.send("Performance.getMetrics")
        metrics = {one["name"]: one["value"] for one in answer["metrics"]}
        return HeapFigures(metrics["JSHeapUsedSize"], metrics["JSEventListeners"], metrics["Nodes"])


async def measure_session(session: Session, minutes: int, rounds: int) -> dict[str, list[float]]:
    """Return what each round after the first two added to the second: megabytes, listeners and nodes."""
    frames = minutes * 60 // rounds
    _, before, *later = [await session.round(frames) for _ in range(rounds)]
    return {
        "heap growth, MB": [(one.heap_bytes - before.heap_bytes) / 1e6 for one in later],
        "more listeners": [one.listeners - before.listeners for one in later],
        "more DOM nodes": [one.nodes - before.nodes for one in later],
    }
