"""Runs the statements of a pass: the screen of a group of terms, then the statements on the devices that it found."""

from collections.abc import Iterable
from typing import Any

import asyncpg

from alerts.query.grouping import TermGroup
from alerts.query.results import ConditionResult, ResultsByKey
from alerts.query.statements import statements_for
from alerts.query.term_queries import EvaluationRequest, Screen, TermQuery
from alerts.rules.terms import Rule
from db.pools import Source
from db.sql import load_beside

QUERIES = load_beside(__file__, "runner.sql")


async def run_queries(connection: Source, rules: Iterable[Rule], question: EvaluationRequest) -> ResultsByKey:
    """Return what is known of the rules' conditions."""
    results, queries = ResultsByKey(), await statements_for(connection, rules, question)
    screened = any(query.screen for query in queries)
    open_places = await connection.fetch(QUERIES["open_places"]) if screened else []
    screen, found = None, list[asyncpg.Record]()
    for query in queries:
        if query.screen is None:
            take(results, await connection.fetch(*query.bind()))
            continue
        if query.screen is not screen:
            screen, found = query.screen, await run_screen(connection, query.screen, query.group, open_places)
            results.statements += 1
        if found:
            take(results, await connection.fetch(*narrow(query, found)))
    return results


async def run_screen(
    connection: Source, screen: Screen, group: TermGroup, open_places: Iterable[asyncpg.Record]
) -> list[asyncpg.Record]:
    """Return the scopes and devices on which a term of a group may hold, or one of its rules is open."""
    rules = group.scoped.rules
    is_open = {row["agent_device_id"] for row in open_places if row["agent_alert_id"] in rules}
    if screen.scans:
        await connection.execute(*QUERIES.bind("plan_for_scans", scans=True))
    found = await connection.fetch(*screen.statement.bind(**screen.values, open=list(is_open)))
    if screen.scans:
        await connection.execute(*QUERIES.bind("plan_for_scans", scans=False))
    return found


def narrow(query: TermQuery, found: Iterable[asyncpg.Record]) -> tuple[Any, ...]:
    """Return SQL and arguments for the scopes and devices that a screen has found."""
    scopes = sorted({row["scope"] for row in found})
    terms = [term for scope in scopes for term in query.group.scoped.terms[scope]]
    return query.bind(terms, among=list({row["device_id"] for row in found}))


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
    """Return a number of the database as a float."""
    return None if value is None else float(value)
