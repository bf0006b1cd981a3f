"""Runs the statements of a pass: the screen, then the others on the devices that it found."""

from collections.abc import Iterable
from typing import Any

import asyncpg

from alerts.query.results import ConditionResult, ResultsByKey
from alerts.query.statements import statements_for
from alerts.query.term_queries import EvaluationRequest, Screen, TermQuery
from alerts.rules.terms import Rule
from db.pools import Source
from db.sql import load_beside

QUERIES = load_beside(__file__, "runner.sql")


async def run_queries(connection: Source, rules: Iterable[Rule], question: EvaluationRequest) -> ResultsByKey:
    """Run the statements of the rules' conditions and return their results."""
    results, queries = ResultsByKey(), await statements_for(connection, rules, question)
    screen = next((query.screen for query in queries if query.screen), None)
    found = await run_screen(connection, screen) if screen else []
    results.statements += screen is not None
    for query in queries:
        bound = narrow(query, found) if query.screen else query.bind()
        if bound:
            take(results, await connection.fetch(*bound))
    return results


async def run_screen(connection: Source, screen: Screen) -> list[asyncpg.Record]:
    """Return the scopes and devices on which a term may hold or a rule is open, and for which statements."""
    bound = await bind_screen(connection, screen)
    if screen.scans:
        await connection.execute(*QUERIES.bind("plan_for_scans", scans=True))
    found = await connection.fetch(*bound)
    if screen.scans:
        await connection.execute(*QUERIES.bind("plan_for_scans", scans=False))
    return found


async def bind_screen(connection: Source, screen: Screen) -> tuple[Any, ...]:
    """Return SQL and arguments of a screen, with the devices on which the rules of each statement are open."""
    open_places = await connection.fetch(QUERIES["open_places"])
    still_open = {
        f"open_{place}": list({row["agent_device_id"] for row in open_places if row["agent_alert_id"] in rules})
        for place, rules in enumerate(screen.terms.rules)
    }
    return screen.statement.bind(**screen.values, **still_open)


def narrow(query: TermQuery, found: Iterable[asyncpg.Record]) -> tuple[Any, ...] | None:
    """Return SQL and arguments for the scopes and devices that the screen has found; None if there are none."""
    assert query.screen
    chosen = [row for row in found if row[f"found_{query.place}"]]
    of_scope = query.screen.terms.terms[query.place]
    terms = [term for scope in sorted({row["scope"] for row in chosen}) for term in of_scope[scope]]
    return query.bind(terms, among=list({row["device_id"] for row in chosen})) if terms else None


def take(results: ResultsByKey, rows: list[asyncpg.Record]) -> None:
    """Keep the rows of a statement as results."""
    results.statements += 1
    for row in rows:
        value = number(row["value"])
        result = ConditionResult(row["breached"], row["begun"], row["holding"], value, row["threshold"], row["note"])
        if "instance" in row:
            results.of_instances[row["rule_id"], row["device_id"], row["instance"], row["at"]][row["leaf"]] = result
        else:
            results.of[row["rule_id"], row["device_id"], row["at"]][row["leaf"]] = result


def number(value: Any) -> float | None:
    return None if value is None else float(value)
