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
KEPT_DEVICES = 50_000


class Told(NamedTuple):
    """Facts, and whether another program than our agent says so."""

    facts: Facts
    by_others: bool


class ToldFacts:
    """What devices have said of their machines, as far as this process remembers: most uploads repeat it."""

    def __init__(self) -> None:
        self._kept: dict[UUID, Told] = {}

    def news_of(self, heard: Iterable[DeviceUpdate]) -> dict[UUID, Told]:
        """Return what is new among the uploads of devices whose token is good; the last one of a device counts."""
        news: dict[UUID, Told] = {}
        for entry in heard:
            for upload in entry.uploads if entry.business_id else ():
                facts = upload.decoded.facts
                if facts not in (None, NONE) and self._kept.get(entry.agent_id) != (told := Told(facts, upload.merges)):
                    news[entry.agent_id] = told
        return news

    def keep(self, news: Mapping[UUID, Told]) -> None:
        """Remember what was committed."""
        if len(self._kept) > KEPT_DEVICES:
            self._kept.clear()
        self._kept |= news


async def change_facts(connection: Source, news: Mapping[UUID, Told], now: datetime) -> None:
    """Take over what has changed of machines, with an event for each; nothing is written where nothing has."""
    columns = {field.name: [getattr(told.facts, field.name) for told in news.values()] for field in fields(Facts)}
    by_others = [told.by_others for told in news.values()]
    await connection.execute(*QUERIES.bind("change_facts", devices=list(news), now=now, by_others=by_others, **columns))
