"""The incidents that need tickets, written in the transaction of the evaluation; `worker.py` opens the tickets.

Alerts with the same cause on a device (`cause_of`) share a ticket, which gets the highest severity. When a whole site
is silent, or a rule fires on a large share of a business, one ticket is for the group. Beyond `UNGROUPED_LIMIT` open
alerts of a rule, tickets wait for `GROUP_WAIT`: alerts that arrive over an interval of uploads can still become one
ticket. Nothing is written here when alerts end: the worker closes the tickets of incidents without an open alert.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import asyncpg

from alerts.rules.alert_types import cause_of
from alerts.rules.conditions import NoDataCondition, OfflineCondition, terms_of
from alerts.rules.loader import RuleRow
from alerts.tickets.texts import describe_place, group_text, single_text
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "incidents.sql")

UNGROUPED_LIMIT, STORM_SHARE = 5, 0.3
GROUP_WAIT = timedelta(minutes=5)
SITE_DEVICES, SITE_SHARE = 3, 0.6
REOPEN_WITHIN = timedelta(hours=24)
LISTED = 50  # devices in the text of a group's ticket
SEVERITIES = ("info", "warning", "critical")
# `disk_percent` is that of the fullest disk: the ticket of that disk is its ticket, too.
CAUSE_OF_EACH = {"disk high": "disk.percent high"}
CAUSE_OF_WORST = {each: worst for worst, each in CAUSE_OF_EACH.items()}


@dataclass(frozen=True, slots=True)
class FiredAlert:
    """An alert that has begun; `device` is a row of describe_devices."""

    history_id: UUID
    row: RuleRow
    device: asyncpg.Record
    message: str
    instance: str = ""

    @property
    def key(self) -> str:
        """The key of its incident, shared by rules with one cause. Instance names may be long, so they are hashed."""
        key = f"device:{cause_of(self.row.rule.condition) or self.row.rule.id}:{self.device['id']}"
        return f"{key}:{sha256(self.instance.encode()).hexdigest()[:32]}" if self.instance else key

    @property
    def instances_key(self) -> str | None:
        """The prefix of the keys of incidents with the same cause on single instances; None if there are none."""
        each = CAUSE_OF_EACH.get(cause_of(self.row.rule.condition) or "")
        return f"device:{each}:{self.device['id']}:" if each and not self.instance else None

    @property
    def worst_key(self) -> str | None:
        """The key of the incident of the fullest instance, which may be this one; None if its cause has none."""
        worst = CAUSE_OF_WORST.get(cause_of(self.row.rule.condition) or "")
        return f"device:{worst}:{self.device['id']}" if worst and self.instance else None

    @property
    def group(self) -> tuple[UUID, UUID]:
        """The group that may contain it: its rule and its business."""
        return self.row.rule.id, self.device["business_id"]


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident that needs a ticket; device None is a group."""

    key: str
    rule_id: UUID
    device_id: UUID | None
    business_id: UUID
    location_id: UUID | None
    severity: str
    title: str
    description: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """The alerts of a rule in a business: the number of devices with an open alert, and of devices in scope."""

    open: int
    reach: int
    is_group: bool

    @property
    def is_storm(self) -> bool:
        return self.is_group or self.open > max(UNGROUPED_LIMIT, STORM_SHARE * self.reach)


async def write_tickets(connection: Connection, fired: Iterable[FiredAlert], now: datetime) -> None:
    """Queue a ticket for each alert that has begun: its own or that of its group."""
    alerts = sorted((alert for alert in fired if alert.row.ticket_enabled), key=lambda alert: not alert.instance)
    if not alerts:
        return
    await connection.execute(QUERIES["plan_for_few"])
    sites = await read_silent_sites(connection, alerts, now)
    counts = await count_groups(connection, alerts, sites)
    own_keys = await find_keys(connection, alerts)
    incidents: dict[str, Incident] = {}
    keys = []
    for alert in alerts:
        key = own_keys[alert.history_id]
        incident = incident_of(alert, key, sites.get(alert.history_id), counts.get(alert.group), now)
        incidents[incident.key] = worse(incident, incidents.get(incident.key))
        keys.append(incident.key)
    await open_incidents(connection, list(incidents.values()), now)
    await connection.execute(*QUERIES.bind("link_alerts", alerts=[alert.history_id for alert in alerts], keys=keys))
    groups = {(key, *alert.group) for key, alert in zip(keys, alerts, strict=True) if incidents[key].device_id is None}
    if groups:
        await gather_groups(connection, sorted(groups, key=str), incidents, now)


async def find_keys(connection: Connection, alerts: Sequence[FiredAlert]) -> dict[UUID, str]:
    """Return the key of each alert's own incident; `alerts` has those of instances first.

    The fullest instance shares the incident of an instance that has one. If only the fullest one has an incident, the
    first instance that fires uses that.
    """
    keys = {alert.history_id: alert.key for alert in alerts}
    begins = {key for alert in alerts for key in (alert.instances_key, alert.worst_key) if key}
    if not begins:
        return keys
    rows = await connection.fetch(*QUERIES.bind("instance_incidents", beginnings=sorted(begins)))
    instances = {row["incident_key"]: set(row["instances"]) for row in rows}
    for alert in alerts:
        if alert.key not in instances:
            keys[alert.history_id] = shared_key(alert, instances)
        if alert.instance:
            instances.setdefault(keys[alert.history_id], set()).add(alert.instance)
    return keys


def shared_key(alert: FiredAlert, instances: Mapping[str, set[str]]) -> str:
    """Return the key of the open incident that an alert shares, else its own; `instances`: incident key → instances."""
    worst, begin = alert.worst_key, alert.instances_key
    if worst and worst in instances and (not instances[worst] or alert.instance in instances[worst]):
        return worst
    return next((key for key in sorted(instances) if begin and key.startswith(begin)), alert.key)


async def read_silent_sites(connection: Connection, alerts: Sequence[FiredAlert], now: datetime) -> dict[UUID, UUID]:
    """Return, by the id of an alert, the silent site of its device; alerts of other sites are missing."""
    silence = {alert.history_id: by_data for alert in alerts if (by_data := looks_at_samples(alert.row)) is not None}
    if not silence:
        return {}
    looking = [alert for alert in alerts if alert.history_id in silence]
    rows = await connection.fetch(
        *QUERIES.bind(
            "silent_sites",
            devices=[alert.device["id"] for alert in looking],
            by_samples=[silence[alert.history_id] for alert in looking],
            now=now,
            min_devices=SITE_DEVICES,
            min_share=SITE_SHARE,
        ),
    )
    sites = {row["id"]: row["site"] for row in rows}
    return {alert.history_id: sites[alert.device["id"]] for alert in looking if alert.device["id"] in sites}


def looks_at_samples(row: RuleRow) -> bool | None:
    """Return whether a rule on silence considers samples only; None if it is not on silence."""
    kinds = {type(term) for term in terms_of(row.rule.condition)}
    if OfflineCondition in kinds:
        return False
    return True if NoDataCondition in kinds else None


async def count_groups(
    connection: Connection, alerts: Sequence[FiredAlert], sites: dict[UUID, UUID]
) -> dict[tuple[UUID, UUID], AlertGroup]:
    """Count the alerts outside silent sites by rule and business."""
    groups = sorted({alert.group for alert in alerts if alert.history_id not in sites})
    rows = await connection.fetch(
        *QUERIES.bind(
            "count_groups",
            rules=[rule for rule, _ in groups],
            businesses=[business for _, business in groups],
            sites=list(sites),
        )
    )
    return {
        (row["rule_id"], row["business_id"]): AlertGroup(row["open"], row["reach"], row["is_group"]) for row in rows
    }


def incident_of(alert: FiredAlert, key: str, site: UUID | None, group: AlertGroup | None, now: datetime) -> Incident:
    """Return the incident of an alert: its site's, its group's, or its own (`key`). Texts of groups come later."""
    rule_id, business_id = alert.group
    device_id, location_id = alert.device["id"], alert.device["service_location_id"]
    text = single_text(alert.row, describe_place(alert.device["device_name"], alert.instance), alert.message, now)
    single = Incident(
        key, rule_id, device_id, business_id, location_id, alert.row.severity,
        text.title, text.description, now,
    )  # fmt: skip
    if site is not None:
        return replace(single, key=f"site:{site}", device_id=None)
    assert group is not None
    if group.is_storm:
        return replace(single, key=f"rule:{rule_id}:{business_id}", device_id=None, location_id=None)
    return single if group.open <= UNGROUPED_LIMIT else replace(single, due_at=now + GROUP_WAIT)


def worse(incident: Incident, other: Incident | None) -> Incident:
    """Return the one of a group's incidents that is more severe."""
    if other is None or SEVERITIES.index(incident.severity) > SEVERITIES.index(other.severity):
        return incident
    return other


async def open_incidents(connection: Connection, incidents: Sequence[Incident], now: datetime) -> None:
    """Write the incidents; one that ended a short time ago is reopened."""
    await connection.execute(
        *QUERIES.bind(
            "open_incidents",
            keys=[one.key for one in incidents],
            rules=[one.rule_id for one in incidents],
            devices=[one.device_id for one in incidents],
            businesses=[one.business_id for one in incidents],
            sites=[one.location_id for one in incidents],
            severities=[one.severity for one in incidents],
            titles=[one.title for one in incidents],
            descriptions=[one.description for one in incidents],
            due=[one.due_at for one in incidents],
            now=now,
            reopen_within=REOPEN_WITHIN,
        ),
    )


async def gather_groups(
    connection: Connection, groups: Sequence[tuple[str, UUID, UUID]], incidents: dict[str, Incident], now: datetime
) -> None:
    """Merge single incidents without a ticket into their groups (key, rule, business); write the groups' texts."""
    await connection.execute(
        *QUERIES.bind(
            "absorb_waiting",
            keys=[key for key, _, _ in groups],
            rules=[rule for _, rule, _ in groups],
            businesses=[business for _, _, business in groups],
            sites=[incidents[key].location_id for key, _, _ in groups],
            now=now,
        ),
    )
    keys = list({key for key, _, _ in groups})
    rows = await connection.fetch(*QUERIES.bind("describe_groups", keys=keys, limit=LISTED))
    texts = [group_text(row, now) for row in rows]
    await connection.execute(
        *QUERIES.bind(
            "write_texts",
            incidents=[row["id"] for row in rows],
            titles=[text.title for text in texts],
            descriptions=[text.description for text in texts],
        ),
    )
