"""The changes of an alert rule and their authors, from the audit trail."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from alerts.manage.rules import read_rule
from db.sql import load_beside

QUERIES = load_beside(__file__, "rule_trail.sql")
ACTIONS = ["alert_rule_created", "alert_rule_changed", "alert_rule_enabled", "alert_rule_disabled"]
MAX_CHANGES = 50


async def read_rule_trail(pool: asyncpg.Pool, rule_id: UUID) -> list[dict[str, Any]]:
    """Return the newest changes of a rule, newest first, at most 50; raises AlertRuleNotFoundError."""
    await read_rule(pool, rule_id)
    rows = await pool.fetch(*QUERIES.bind("read_rule_trail", rule_id=rule_id, actions=ACTIONS, limit=MAX_CHANGES))
    return [dict(row) | changed_fields(msgspec.json.decode(row["details"])) for row in rows]


def changed_fields(details: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a change set, with their values before and after; a new rule has none before."""
    if "changed" not in details:
        return {"changed": {}, "before": {}}
    return {"changed": details["changed"], "before": details.get("before") or {}}
