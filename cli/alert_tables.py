"""Tables of alert rules for people: rules, backtests, rule tests, and the evaluation of a rule."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from rich.console import RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from alerts.query.explain import Explained, ExplainedScreen
from alerts.query.scopes import ScopedTerms
from alerts.replay.backtest import BacktestResult, ThresholdOutcome
from alerts.replay.report import BacktestSummary
from alerts.replay.rule_tests import RuleTestResult
from alerts.rules.loader import RuleRow
from alerts.rules.terms import Feature
from db.sql import Statement
from health.tables import words

MAX_DEVICES, MAX_TRANSITIONS = 20, 20


def rules_table(rows: Sequence[RuleRow]) -> Table:
    """Return a table with the name, scope, conditions and results of each rule."""
    table = Table("id", "name", "severity", "reach", "fires when")
    for row in rows:
        shadow = " (shadow)" if row.is_shadow else ""
        table.add_row(
            str(row.rule.id), row.alert_name + shadow, row.severity, describe_reach(row), row.rule.condition.in_words()
        )
    return table


def describe_reach(row: RuleRow) -> str:
    """Return the scope of a rule in words."""
    reach = row.rule.reach
    named = (
        ("business", reach.business_id), ("site", reach.service_location_id), ("device", reach.device_id),
        ("type", reach.device_type),
    )  # fmt: skip
    return ", ".join(f"{name} {value}" for name, value in named if value) or "all"


def backtest_tables(answer: BacktestResult) -> Iterator[RenderableType]:
    """Yield the result of a backtest: each threshold, then its devices and the transitions of the worst one."""
    plan = answer.plan
    days = (plan.end - plan.begin).days
    title = f"{days} days until {plan.end:%Y-%m-%d %H:%M} UTC, {plan.devices} devices, each {words(plan.step)}"
    table = Table("threshold", title=title, title_justify="left")
    for name in ("alerts", "tickets", "devices", "flapping", "hours firing"):
        table.add_column(name, justify="right")
    for outcome in answer.outcomes:
        hours = sum(tally.firing_minutes for tally in outcome.tallies) / 60
        counts = (outcome.alerts, outcome.tickets, outcome.devices, outcome.flapping)
        table.add_row(label(outcome), *map(str, counts), f"{hours:.1f}")
    yield table
    for outcome in answer.outcomes:
        if outcome.tallies:
            yield devices_table(outcome, answer)
            yield transitions_table(outcome, answer)
    for note in answer.notes:
        yield Text(f"· {note}", style="dim")


def label(outcome: ThresholdOutcome) -> str:
    return "as it is" if outcome.threshold is None else f"{outcome.threshold:g}"


def devices_table(outcome: ThresholdOutcome, answer: BacktestResult) -> Table:
    """Return a table of the devices with the most alerts at one threshold."""
    table = Table("device", title=f"{label(outcome)}: the worst devices", title_justify="left")
    for name in ("alerts", "tickets", "first", "last", "minutes firing", ""):
        table.add_column(name, justify="right")
    for tally in outcome.tallies[:MAX_DEVICES]:
        table.add_row(
            describe_place(tally, answer), str(tally.alerts), str(tally.tickets), f"{tally.first:%m-%d %H:%M}",
            f"{tally.last:%m-%d %H:%M}", f"{tally.firing_minutes:.0f}", "flapping" if tally.is_flapping else "",
        )  # fmt: skip
    return table


def describe_place(tally: BacktestSummary, answer: BacktestResult) -> str:
    """Return the name of a device, and of its instance for a rule on instances."""
    return f"{answer.names.get(tally.device_id, '?')} {tally.instance}".rstrip()


def transitions_table(outcome: ThresholdOutcome, answer: BacktestResult) -> Table:
    """Return the first changes of the worst device."""
    worst = outcome.tallies[0]
    name = describe_place(worst, answer)
    table = Table("at", "from", "to", "why", "value", title=f"{label(outcome)}: {name}", title_justify="left")
    for one in worst.transitions[:MAX_TRANSITIONS]:
        value = "" if one.result.value is None else f"{one.result.value:.4g}"
        table.add_row(f"{one.at:%m-%d %H:%M}", one.before.state, one.after.state, one.why, value)
    return table


def results_table(results: Sequence[RuleTestResult]) -> Table:
    table = Table("test", "result", "went through")
    for result in results:
        outcome = "[green]passed[/green]" if result.is_passed else "[red]failed[/red]"
        table.add_row(result.test.name, outcome, ", ".join(map(str, result.found)) or "nothing")
    return table


def screen_rows(one: ExplainedScreen) -> Iterator[RenderableType]:
    """Yield which limits screen the devices of a rule, how many remain, and the statement with its plan."""
    yield Text(f"Screened first: {one.found} of {one.devices} devices may be beyond a limit", style="bold")
    yield Text(
        "Only these are read by the statements below. A device is not screened out while the rule is open on it, "
        "if its clock is wrong, or if its interval makes a window longer; windows of few devices are not bounded."
    )
    table = Table("compared", "limit")
    for compared, limit in limits_of(one.screen.terms):
        table.add_row(compared, limit)
    yield table
    yield from sql_rows(one.screen.statement, one.arguments, one.plan)


def limits_of(terms: ScopedTerms) -> Iterator[tuple[str, str]]:
    """Yield what a screen compares and with which limit, in words."""
    (scope,) = msgspec.json.decode(terms.scopes)
    for number, (_, (side, up)) in enumerate(terms.sides):
        limit = scope[f"limit_{number}"]
        if side in ("no_data", "offline"):
            heard = "sample" if side == "no_data" else "sign of life"
            yield f"time since the last {heard}", f"> {words(timedelta(seconds=limit))}"
        else:
            yield compared_value(side), f"{'≥' if up else '≤'} {limit:g}"
    if any(name.startswith("always_") for name in scope):
        yield "a condition without a limit, for example a baseline", "all devices remain"


def compared_value(side: Feature | str) -> str:
    """Return a value that a screen compares, in words."""
    if isinstance(side, str):
        return f"newest {side}"
    return f"bound of the {side.part} of {side.metric.name} over {words(side.window)}"


def statement_rows(one: Explained) -> Iterator[RenderableType]:
    """Yield a statement, its parameters, and its plan."""
    ask = one.ask
    read = ask.group.level.relation if ask.group.level else "the newest state"
    yield Text(f"Read from {read}", style="bold")
    table = Table("condition", "window")
    for term in ask.group.terms:
        table.add_row(f"{term.number + 1}: {term.kind}", words(term.window))
    yield table
    _, *arguments = ask.bind()
    yield from sql_rows(ask.statement, arguments, one.plan)


def sql_rows(statement: Statement, arguments: Sequence[Any], plan: Sequence[str]) -> Iterator[RenderableType]:
    """Yield the SQL of a statement, its parameters, and its plan."""
    yield Syntax(statement.sql, "sql", word_wrap=True)
    bound = Table("parameter", "name", "value")
    for number, (name, value) in enumerate(zip(statement.parameters, arguments, strict=True), 1):
        bound.add_row(f"${number}", name, format_value(value))
    yield bound
    yield Text("\n".join(plan))


def format_value(value: Any) -> str:
    """Return a parameter as text."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
