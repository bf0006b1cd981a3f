"""Explains the evaluation of a rule: its statements, their bound values and the database's plans."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.query.statements import statements_for
from alerts.query.term_queries import EvaluationRequest, TermQuery
from alerts.rules.loader import RuleRow
from db.pools import Connection


@dataclass(frozen=True, slots=True)
class Explained:
    """One statement and its plan, one line for each step."""

    ask: TermQuery
    plan: list[str]


async def explain(connection: Connection, row: RuleRow, now: datetime) -> list[Explained]:
    """Return the statements of an evaluation of one rule at `now` (UTC), with their plans; none of them is run."""
    queries = await statements_for(connection, [row.rule], EvaluationRequest([now], row.rule.reach.business_id))
    return [Explained(query, list(format_plan(await read_plan(connection, query)))) for query in queries]


async def read_plan(connection: Connection, query: TermQuery) -> dict[str, Any]:
    """Return the plan of a statement without running it."""
    sql, *arguments = query.bind()
    prepared = await connection.prepare(sql)
    (explained,) = await prepared.explain(*arguments)
    plan: dict[str, Any] = explained["Plan"]
    return plan


def format_plan(plan: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield a plan as lines, indented by depth: the operation, its relation, and the estimated number of rows."""
    where = plan.get("Index Name") or plan.get("Relation Name") or plan.get("CTE Name") or plan.get("Function Name")
    kind = " ".join(part for part in (plan.get("Custom Plan Provider", ""), plan["Node Type"]) if part)
    name = f" on {where}" if where else ""
    subplan = f" ({plan['Subplan Name']})" if "Subplan Name" in plan else ""
    yield f"{'  ' * depth}{kind}{name}{subplan}: {plan['Plan Rows']} rows, cost {plan['Total Cost']:.0f}"
    for inner in plan.get("Plans", ()):
        yield from format_plan(inner, depth + 1)
