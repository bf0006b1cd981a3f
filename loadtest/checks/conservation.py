"""The conservation check: nothing is lost, nothing is stored twice, and all receipts are true.

For each agent: sent = accepted + duplicates + rejected; the database has exactly the samples that the server said it
has (count, sum of times, sum of values), and exactly the values of series that they brought; and it has more than were
called accepted only where an answer was lost. Then: the rollups equal raw.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from db.sql import load_beside

QUERIES = load_beside(__file__, "conservation.sql")
NAMED = 10  # agents that a message names
Numbers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentFault:
    """An agent whose numbers don't add up, and why, in sentences."""

    name: str
    agent_id: str
    why: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.agent_id}): {'; '.join(self.why)}"


@dataclass(frozen=True, slots=True)
class Conservation:
    """The result of the check."""

    totals: dict[str, Any]
    faults: list[AgentFault]
    worst: dict[str, Any]  # the agent with the largest difference in rows, of several the one that sent most

    @property
    def holds(self) -> bool:
        """True when every agent's numbers add up."""
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        """Return it for the result file."""
        named = [{"name": fault.name, "agent_id": fault.agent_id, "why": list(fault.why)} for fault in self.faults]
        return {
            "holds": self.holds, "totals": self.totals, "worst_agent": self.worst,
            "faulty_agents": len(named), "first_faults": named[:NAMED],
        }  # fmt: skip


async def check_conservation(connection: asyncpg.Connection, accounts: Sequence[Numbers]) -> Conservation:
    """Compare the agents' accounts with the database's rows."""
    ids = [UUID(account["agent_id"]) for account in accounts]
    rows = {row["agent_id"]: dict(row) for row in await connection.fetch(*QUERIES.bind("count_rows", devices=ids))}
    faults = []
    for account in accounts:
        why = find_faults(account, rows[account["agent_id"]])
        if why:
            faults.append(AgentFault(account["name"], account["agent_id"], tuple(why)))
    totals = add_up_totals(accounts, sum(row["rows"] for row in rows.values()))
    totals["series_values"] = sum(row["series_values"] for row in rows.values())
    return Conservation(totals, faults, find_worst(accounts, rows))


def find_faults(account: Numbers, row: Numbers) -> list[str]:
    """Return a sentence for each fault in one agent's numbers; empty without faults."""
    sent, accepted, duplicates = account["sent"], account["accepted"], account["duplicates"]
    rejected, rows, stored = sum(account["rejected"].values()), row["rows"], account["stored"]
    faults = list(account["faults"])
    if sent != accepted + duplicates + rejected:
        faults.append(f"sent {sent}, but accepted {accepted} + duplicates {duplicates} + rejected {rejected}")
    if account["waiting"]:
        faults.append(f"{account['waiting']} samples were not answered before the run ended")
    elif rows != stored:
        faults.append(f"{stored} samples should be in the database, {rows} are")
    elif (row["times_sum"], row["tenths_sum"]) != (account["times_sum"], account["tenths_sum"]):
        faults.append(f"the database has {rows} samples as it should, but others: times or values differ")
    elif (row["series_values"], row["series_tenths_sum"]) != (account["series_values"], account["series_tenths_sum"]):
        expected, actual = account["series_values"], row["series_values"]
        faults.append(f"{expected} values of series should be in the database, {actual} are, or others")
    if not accepted <= rows <= accepted + account["unsure"] + account["waiting"]:
        faults.append(f"{rows} rows, but accepted {accepted} and at most {account['unsure']} whose answer was lost")
    return faults


def add_up_totals(accounts: Sequence[Numbers], rows: int) -> dict[str, Any]:
    """Return the sums over all agents."""
    rejected: Counter[str] = Counter()
    for account in accounts:
        rejected.update(account["rejected"])
    names = ("sent", "accepted", "duplicates", "unsure", "waiting")
    totals: dict[str, Any] = {name: sum(account[name] for account in accounts) for name in names}
    return totals | {"rejected": sum(rejected.values()), "rejected_by_code": dict(rejected), "rows": rows}


def find_worst(accounts: Sequence[Numbers], stored_rows: Mapping[str, Numbers]) -> dict[str, Any]:
    """Return the numbers of the agent whose rows differ most from the expected ones."""
    rows = {account["agent_id"]: stored_rows[account["agent_id"]]["rows"] for account in accounts}
    worst = max(accounts, key=lambda one: (abs(rows[one["agent_id"]] - one["stored"]), one["sent"]))
    names = ("name", "sent", "accepted", "duplicates", "rejected", "unsure", "stored")
    return {name: worst[name] for name in names} | {"rows": rows[worst["agent_id"]]}


async def sample_range(connection: asyncpg.Connection, ids: Sequence[UUID]) -> tuple[datetime, datetime] | None:
    """Return the times of the oldest and the newest sample of these devices."""
    row = await connection.fetchrow(*QUERIES.bind("sample_range", devices=ids))
    assert row
    return (row["oldest"], row["newest"]) if row["oldest"] else None
