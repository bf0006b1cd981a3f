"""The simulated fleet: devices registered and history uploaded through the public API, like any agent's."""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson

from demo.credentials import DemoAgent, DemoTenant
from demo.instances import parts_at
from demo.series import Profile, make_profile, sample_at

SAMPLE_EVERY = timedelta(minutes=5)
SAMPLES_PER_UPLOAD = 288  # a day
UPLOADS_AT_ONCE = 4
TRIES = 5
TIMEOUT_SECONDS = 120.0
# Answers about one device: revoked, deactivated, decommissioned, deleted. All others of the fleet continue.
OUT_OF_SERVICE = (401, 403, 404)


class DemoUploadError(Exception):
    """An upload of the demo was refused; the message holds the server's answer."""


@dataclass(slots=True)
class Loaded:
    """The sum of all receipts."""

    samples: int = 0
    accepted: int = 0
    duplicates: int = 0

    def add(self, receipt: dict[str, Any]) -> None:
        """Count one receipt; a rejected sample would be a fault of the demo, so it raises."""
        if receipt["rejected"]:
            raise DemoUploadError(f"samples of the demo were rejected: {receipt['rejected'][:3]}")
        self.samples += receipt["received"]
        self.accepted += receipt["accepted"]
        self.duplicates += receipt["duplicates"]


class DemoFleet:
    """All simulated devices of all businesses, and the HTTP client through which they speak."""

    def __init__(
        self, http: httpx.AsyncClient, employee_token: str, tenants: list[DemoTenant], began: datetime
    ) -> None:
        self._http = http
        self._employee = {"Authorization": f"Bearer {employee_token}"}
        self._tenants = tenants
        self._began = began
        self._refused: set[str] = set()
        self._not_yet_said: list[str] = []

    def devices(self) -> Iterator[tuple[DemoAgent, Profile]]:
        """Yield every simulated device with its character, in the order of registration."""
        for tenant in self._tenants:
            for agent in tenant.agents:
                yield agent, make_profile(int(agent.device_name.rsplit("-", 1)[1]))

    async def enrol(self, count: int, site_ids: dict[str, list[str]], step: Callable[[], None]) -> None:
        """Register devices until there are `count`, spread over the businesses and their sites."""
        enrolled = sum(len(tenant.agents) for tenant in self._tenants)
        for number in range(enrolled, count):
            tenant = self._tenants[number % len(self._tenants)]
            sites = site_ids[tenant.id]
            profile = make_profile(number)
            tenant.agents.append(await self._register(tenant, sites[number % len(sites)], profile))
            step()

    async def registration_token(self, business_id: str, site_id: str, name: str, interval: int) -> str:
        """Ask, as an employee, for a one-use token for one device."""
        body = {
            "business_id": business_id, "service_location_id": site_id, "device_name": name,
            "metrics_interval_seconds": interval,
        }  # fmt: skip
        response = await self._http.post("/api/agents/registration-tokens", json=body, headers=self._employee)
        response.raise_for_status()
        token: str = response.json()["token"]
        return token

    async def load(self, start: datetime, end: datetime, step: Callable[[int], None]) -> Loaded:
        """Upload what every device measured in [start, end); `step` gets the number of samples of each upload."""
        loaded = Loaded()
        limit = asyncio.Semaphore(UPLOADS_AT_ONCE)

        async def send(agent: DemoAgent, samples: list[dict[str, Any]]) -> None:
            try:
                receipt = await self._upload(agent, samples)
                if receipt:
                    loaded.add(receipt)
            finally:
                limit.release()
            step(len(samples))

        async with asyncio.TaskGroup() as group:
            for agent, profile in self.devices():
                for samples in self._batches(profile, start, end):
                    await limit.acquire()  # before the next batch is made: memory holds only uploads in flight
                    group.create_task(send(agent, samples))
        return loaded

    def new_refusals(self) -> list[str]:
        """Return which devices were refused since the last call, each with the server's answer."""
        new, self._not_yet_said = self._not_yet_said, []
        return new

    def count(self, start: datetime, end: datetime) -> int:
        """Return how many samples `load` will send."""
        return len(list(self.devices())) * len(list(slots(start, end)))

    def _batches(self, profile: Profile, start: datetime, end: datetime) -> Iterator[list[dict[str, Any]]]:
        batch: list[dict[str, Any]] = []
        for time in slots(start, end):
            sample = sample_at(profile, time, self._began)
            batch.append(sample | parts_at(profile, sample, time, self._began))
            if len(batch) == SAMPLES_PER_UPLOAD:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _register(self, tenant: DemoTenant, site_id: str, profile: Profile) -> DemoAgent:
        name = f"{profile.kind}-{profile.number:03d}"
        token = await self.registration_token(tenant.id, site_id, name, int(SAMPLE_EVERY.total_seconds()))
        os_type = "linux" if profile.kind in ("server", "vm") else "windows"
        facts = {
            "token": token, "hostname": name, "os_type": os_type, "device_type": profile.kind,
            "total_memory_gb": profile.memory_gb, "total_disk_gb": profile.disk_gb,
        }  # fmt: skip
        registered = await self._http.post("/api/agents/register", json=facts)
        registered.raise_for_status()
        answer = registered.json()
        return DemoAgent(answer["agent_id"], answer["agent_token"], name)

    async def _upload(self, agent: DemoAgent, samples: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Upload samples; None when the device is out of service: it is tried again with its next samples."""
        content = gzip.compress(orjson.dumps({"metrics": samples}), compresslevel=1)
        headers = {"Authorization": f"Bearer {agent.agent_token}", "Content-Encoding": "gzip"}
        for _ in range(TRIES):
            response = await self._http.post(
                f"/api/agents/{agent.agent_id}/metrics",
                content=content,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
            )
            if response.status_code == 200:
                receipt: dict[str, Any] = response.json()
                self._refused.discard(agent.agent_id)
                return receipt
            if response.status_code in OUT_OF_SERVICE:
                self._note_refusal(agent, response.json()["error"]["message"])
                return None
            if response.status_code != 503:
                break
            await asyncio.sleep(float(response.headers["Retry-After"]))
        raise DemoUploadError(f"{agent.device_name}: {response.status_code} {response.text}")

    def _note_refusal(self, agent: DemoAgent, message: str) -> None:
        if agent.agent_id not in self._refused:
            self._not_yet_said.append(f"{agent.device_name} is out of service, the others continue: {message}")
        self._refused.add(agent.agent_id)


def slots(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the times of samples in [start, end): whole five minutes."""
    time = start
    while time < end:
        yield time
        time += SAMPLE_EVERY
