"""`rts-agents alerts`: rules listed, explained, tested on the past and on series of samples."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from alerts.errors import AlertRuleNotFoundError
from alerts.query.explain import Explained, ExplainedScreen, explain, explain_screen
from alerts.replay.backtest import MAX_DAYS, BacktestResult, BacktestSpec, backtest, read_spec
from alerts.replay.rule_tests import RuleTest, RuleTestResult, load_tests, run_test
from alerts.rules.conditions import Condition, parse_condition
from alerts.rules.loader import RuleRow, Rules, read_rules
from alerts.rules.terms import Scope
from cli.alert_tables import backtest_tables, results_table, rules_table, screen_rows, statement_rows
from cli.connection import with_connection
from cli.fitting import print_table
from cli.settings import settings_with_database
from core.clock import utc_now
from core.settings import get_settings
from db.migrations.run import upgrade
from db.pools import Connection
from embedded.server import EmbeddedServer

app = typer.Typer(
    help="Alert rules: list, explain, test on the past or on series.\n\nExample: rts-agents alerts list",
    no_args_is_help=True,
)
MAX_READINGS = 20_000_000  # higher than over HTTP: no other request waits


@app.command("list")
def list_rules() -> None:
    """Show the active rules, and those that cannot be read.

    Example: rts-agents alerts list
    """
    rules = asyncio.run(with_connection(read_rules))
    print_table(rules_table(list(rules.rows.values())))
    console = Console()
    for rule_id, fault in rules.faults.items():
        console.print(f"[red]![/red] {rule_id} cannot be read: {fault}", highlight=False)


@app.command("explain")
def explain_rule(rule: Annotated[UUID, typer.Argument(help="id of an active rule")]) -> None:
    """Show the limits that screen the devices of a rule, its SQL, its parameters, and the database's plans.

    Example: rts-agents alerts explain 6f1c2d3e-0000-4000-8000-000000000009
    """

    async def read_plans(connection: Connection) -> tuple[RuleRow, ExplainedScreen | None, list[Explained]]:
        row, now = require_rule(await read_rules(connection, rule), rule), utc_now()
        return row, await explain_screen(connection, row, now), await explain(connection, row, now)

    row, screen, statements = asyncio.run(with_connection(read_plans))
    console = Console()
    console.print(f"[bold]{row.alert_name}[/bold]: {row.rule.condition.in_words()}", highlight=False)
    if screen:
        console.print(*screen_rows(screen), sep="\n")
    for statement in statements:
        console.print(*statement_rows(statement), sep="\n")


@app.command("backtest")
def backtest_rule(
    rule: Annotated[UUID | None, typer.Option(help="an existing rule, instead of the options below")] = None,
    business: Annotated[UUID | None, typer.Option(help="only this business's devices")] = None,
    site: Annotated[UUID | None, typer.Option(help="only this site's devices")] = None,
    device: Annotated[UUID | None, typer.Option(help="only this device")] = None,
    device_type: Annotated[str | None, typer.Option("--type", help="desktop, server, laptop or vm")] = None,
    metric: Annotated[str, typer.Option(help="metric that is compared")] = "cpu_percent",
    above: Annotated[str, typer.Option(help="thresholds, comma-separated")] = "",
    below: Annotated[str, typer.Option(help="the same, for falling below")] = "",
    minutes: Annotated[float, typer.Option(help="for how long")] = 5,
    keep_firing: Annotated[
        float, typer.Option(help="minutes for which the condition must not hold before an alert ends")
    ] = 5,
    conditions: Annotated[str, typer.Option(help="conditions as JSON, instead of --metric")] = "",
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="how far back")] = 7,
) -> None:
    """Show how many alerts and tickets a rule would have caused in the last days, for each threshold.

    Example: rts-agents alerts backtest --business ID --metric cpu_percent --above 85,90,95 --minutes 10 --days 7
    """
    thresholds = [parse_number(part) for part in (above or below).split(",") if part.strip()]
    url = settings_with_database().database_url
    if rule is None:
        operator = ">" if above else "<"
        condition = condition_from_options(conditions, metric, operator, thresholds, minutes)
        reach, keep = Scope(business, site, device, device_type), timedelta(minutes=keep_firing)
        spec = BacktestSpec(condition, reach, thresholds, days, keep, most_readings=MAX_READINGS)
    else:
        backtest_spec = asyncio.run(
            with_connection(lambda connection: read_spec(connection, rule, thresholds, days), url)
        )
        spec = replace(backtest_spec, most_readings=MAX_READINGS)
    with Progress(transient=True) as progress:
        answer = asyncio.run(with_connection(lambda connection: run_backtest(connection, spec, progress), url))
    console = Console()
    for part in backtest_tables(answer):
        console.print(part)


@app.command("test")
def test_rules(file: Annotated[Path, typer.Argument(help="TOML file of tests")]) -> None:
    """Test rules on series of samples; exit status 1 if one test fails.

    Runs on DATABASE_URL, where everything is rolled back, or else on a temporary embedded database.

    Example: rts-agents alerts test docs/rule-tests.toml
    """
    tests = load_tests(file)
    with database() as url:
        results = asyncio.run(with_connection(lambda connection: run_tests(connection, tests), url))
    console = Console()
    console.print(results_table(results))
    for result in results:
        if not result.is_passed:
            console.print(f"[red]{result.test.name}[/red]: expected (-) and found (+)", highlight=False)
            console.print("\n".join(f"  {line}" for line in result.difference()), highlight=False)
    if not all(result.is_passed for result in results):
        raise typer.Exit(1)


@contextmanager
def database() -> Iterator[str]:
    """Yield DATABASE_URL, or that of an embedded server that lives as long as the tests do."""
    url = get_settings().database_url
    if url:
        yield url
        return
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedServer(Path(directory) / "timescaledb", short_lived=True) as server,
    ):
        upgrade(server.dsn)
        yield server.dsn


async def run_tests(connection: Connection, tests: list[RuleTest]) -> list[RuleTestResult]:
    """Run tests one after the other."""
    return [await run_test(connection, test, utc_now()) for test in tests]


async def run_backtest(connection: Connection, spec: BacktestSpec, progress: Progress) -> BacktestResult:
    """Run a backtest and show its progress."""
    bar = progress.add_task("Evaluating the past")

    def show(done: int, total: int) -> None:
        progress.update(bar, completed=done, total=total)

    return await backtest(connection, spec, utc_now(), show)


def require_rule(rules: Rules, rule_id: UUID) -> RuleRow:
    """Return the rule; raises AlertRuleNotFoundError, or exits with the reason if it cannot be read."""
    if rule_id in rules.faults:
        raise typer.BadParameter(f"this rule cannot be read: {rules.faults[rule_id]}")
    if rule_id not in rules.rows:
        raise AlertRuleNotFoundError
    return rules.rows[rule_id]


def condition_from_options(text: str, metric: str, operator: str, thresholds: list[float], minutes: float) -> Condition:
    """Return the conditions of the command line; exits with a message if they are invalid."""
    if not text and not thresholds:
        raise typer.BadParameter("give --above or --below with --metric, or --conditions, or --rule")
    named = {"metric": metric, "operator": operator, "duration_minutes": minutes}
    try:
        value: Any = msgspec.json.decode(text) if text else named | {"threshold": thresholds[0]}
        return parse_condition(value)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(fault["msg"] for fault in error.errors())) from error
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def parse_number(text: str) -> float:
    """Return a threshold; exits with a message if it is not a number."""
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no number") from error
