"""Facts about machines that come with uploads: stored when they differ from what this process stored last."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from core.facts import NONE, Facts
from db.pools import Source
from db.sql import load_beside
from ingest.device_updates import DeviceUpdate

QUERIES = load_beside(__file__, "facts.sql")
MAX_DEVICES = 50_000  # in memory; beyond it the cache is emptied


class ReportedFacts(NamedTuple):
    """Facts of one device, and whether another program than the product's agent sent them."""

    facts: Facts
    by_others: bool


class FactsCache:
    """The facts that this process stored last, by device. Most uploads repeat them and cause no write."""

    def __init__(self) -> None:
        self._stored: dict[UUID, ReportedFacts] = {}

    def find_changed(self, updates: Iterable[DeviceUpdate]) -> dict[UUID, ReportedFacts]:
        """Return the facts that differ, by device; only of devices with a valid token. The last upload counts."""
        changed: dict[UUID, ReportedFacts] = {}
        for update in updates:
            for upload in update.uploads if update.business_id else ():
                reported = ReportedFacts(upload.decoded.facts or NONE, upload.merges)
                if reported.facts != NONE and self._stored.get(update.agent_id) != reported:
                    changed[update.agent_id] = reported
        return changed

    def store(self, changed: Mapping[UUID, ReportedFacts]) -> None:
        """Keep facts that were committed."""
        if len(self._stored) > MAX_DEVICES:
            self._stored.clear()
        self._stored |= changed


async def change_facts(connection: Source, changed: Mapping[UUID, ReportedFacts], now: datetime) -> None:
    """Store facts that differ from the device's row, with an event for each device."""
    reported = changed.values()
    columns = {field.name: [getattr(one.facts, field.name) for one in reported] for field in fields(Facts)}
    by_others = [one.by_others for one in reported]
    devices = list(changed)
    await connection.execute(*QUERIES.bind("change_facts", devices=devices, now=now, by_others=by_others, **columns))
