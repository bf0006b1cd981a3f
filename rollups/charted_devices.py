"""What a chart needs of its device, and the memory of it that spares repeated charts a round trip.

A chart's level, width and range depend on the device: on its interval, its late samples and the watermarks. A server
that has charted the device before plans with what it remembers. The statement of the chart reads the device again, in
one snapshot with the points, and the points count only if the plan still holds.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypedDict
from uuid import UUID

import msgspec

from core.errors import AgentNotFoundError
from db.hypertables.policies import HOUR
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__)
MAX_REMEMBERED = 4096  # remembered devices of one process
MAX_AGE = HOUR  # an older watermark would have more raw samples read than needed


class ChartedDevice(TypedDict):
    """A device that the caller may see. Times in UTC."""

    business_id: UUID
    metrics_interval_seconds: int
    owned_since: datetime | None  # None for an employee
    former: list[tuple[datetime | None, int]] | None  # intervals before, in seconds, each until when (None: now)
    late_from: datetime | None
    late_at: datetime | None
    late_before: datetime | None
    late_since: datetime | None
    watermarks: dict[str, datetime]  # how far each level is materialised


DECODER = msgspec.json.Decoder(ChartedDevice)
Key = tuple[UUID | None, UUID]  # tenant (None: an employee), device


async def read_device(
    connection: Connection, tenant: UUID | None, device_id: UUID, relations: Iterable[str]
) -> ChartedDevice:
    """Return a device with the watermarks of levels; raises AgentNotFoundError."""
    query = QUERIES.bind("get_charted_device", device_id=device_id, tenant=tenant, relations=list(relations))
    return parse_device(await connection.fetchval(*query))


def parse_device(text: str | None) -> ChartedDevice:
    """Return the device of the database's answer; raises AgentNotFoundError when there is none."""
    if text is None:
        raise AgentNotFoundError
    return DECODER.decode(text)


def still_holds(planned: ChartedDevice, present: ChartedDevice) -> bool:
    """Return whether a plan for `planned` gives the points of `present`.

    Levels that are complete for longer do not matter: what lies between was read as raw samples.
    """
    if {**planned, "watermarks": {}} != {**present, "watermarks": {}}:
        return False
    now = present["watermarks"]
    return all(name in now and now[name] >= time for name, time in planned["watermarks"].items())


def former_intervals(device: ChartedDevice, now: datetime) -> list[tuple[datetime, timedelta]]:
    """Return the former intervals of a device with their ends; the present interval ends now."""
    return [(min(until or now, now), timedelta(seconds=seconds)) for until, seconds in device["former"] or ()]


class ChartMemory:
    """The devices that this process has charted lately, by tenant: nobody's chart is planned with another's."""

    def __init__(self) -> None:
        self._devices: dict[Key, tuple[ChartedDevice, datetime]] = {}

    def recall(self, key: Key, now: datetime) -> ChartedDevice | None:
        """Return a device as it was at its last chart; None when that is too long ago."""
        device, at = self._devices.get(key, (None, now))
        return device if now - at < MAX_AGE else None

    def keep(self, key: Key, device: ChartedDevice, now: datetime) -> None:
        """Remember a device; the one that was charted longest ago is forgotten when there are too many."""
        self._devices.pop(key, None)
        self._devices[key] = device, now
        if len(self._devices) > MAX_REMEMBERED:
            del self._devices[next(iter(self._devices))]

    def forget(self, key: Key) -> None:
        """Forget a device that the caller may no longer see."""
        self._devices.pop(key, None)
