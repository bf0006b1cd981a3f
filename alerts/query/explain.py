"""Explains the evaluation of a rule: its screen and its statements, their bound values and the database's plans."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.query.runner import bind_screen, run_screen
from alerts.query.statements import statements_for
from alerts.query.term_queries import EvaluationRequest, Screen, TermQuery
from alerts.rules.loader import RuleRow
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "explain.sql")


@dataclass(frozen=True, slots=True)
class Explained:
    """One statement and its plan, one line for each step."""

    ask: TermQuery
    plan: list[str]


@dataclass(frozen=True, slots=True)
class ExplainedScreen:
    """The statement that an evaluation runs first, with its arguments, plan and result.

    `found` of the `devices` in scope may be beyond a limit; the other statements read only these.
    """

    screen: Screen
    arguments: tuple[Any, ...]
    plan: list[str]
    devices: int
    found: int


async def explain(connection: Connection, row: RuleRow, now: datetime) -> list[Explained]:
    """Return the statements of an evaluation of one rule at `now` (UTC), with their plans; none of them is run."""
    queries = await statements_of(connection, row, now)
    return [Explained(query, list(format_plan(await read_plan(connection, *query.bind())))) for query in queries]


async def explain_screen(connection: Connection, row: RuleRow, now: datetime) -> ExplainedScreen | None:
    """Return the screen of an evaluation of one rule at `now` (UTC), which is run; None if the rule has none."""
    screen = next((query.screen for query in await statements_of(connection, row, now) if query.screen), None)
    if screen is None:
        return None
    async with connection.transaction():
        sql, *arguments = await bind_screen(connection, screen)
        plan = list(format_plan(await read_plan(connection, sql, *arguments)))
        found = {each["device_id"] for each in await run_screen(connection, screen)}
    count = QUERIES.bind("count_devices", scopes=screen.terms.scopes, tenant=row.rule.reach.business_id)
    return ExplainedScreen(screen, tuple(arguments), plan, await connection.fetchval(*count), len(found))


async def statements_of(connection: Connection, row: RuleRow, now: datetime) -> list[TermQuery]:
    """Return the statements of an evaluation of one rule."""
    return await statements_for(connection, [row.rule], EvaluationRequest([now], row.rule.reach.business_id))


async def read_plan(connection: Connection, sql: str, *arguments: Any) -> dict[str, Any]:
    """Return the plan of a statement without running it."""
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
